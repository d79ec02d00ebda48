"""The base of every YAML-backed model.

Belongs here: strictness, slugs, what is said of a wrong name. Does not: any concrete file (``specs``).
"""

import difflib
from typing import Annotated

from pydantic import AfterValidator, BaseModel

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class StrictModel(BaseModel, frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False):
    """A frozen model that refuses unknown keys, so that a typo in a YAML file is an error and not a silent default.

    It refuses numbers that are not finite, too: no parameter means anything by them. Being frozen, it is hashable as
    far as its fields are, and may key a cache. Every class of this kind says ``frozen=True`` again, for type checkers.
    """


def check_slug(value: str) -> str:
    """Return ``value`` when it may name a partition, an asset and a file on any system.

    Raises:
        ValueError: the value is not lower-case letters, digits, ``_`` or ``-``, 1 to 63 long, starting with a letter
            or digit. Dagster itself accepts ``"a|b"`` and ``"x/y"``, which then collide with multi-partition keys
            and nest directories.
    """
    import re

    if not re.fullmatch(SLUG_PATTERN, value):
        raise ValueError(
            f"{value!r} is not a valid name: use 1-63 lower-case letters, digits, '_' or '-', "
            "starting with a letter or digit"
        )
    return value


Slug = Annotated[str, AfterValidator(check_slug)]


def suggestion(given: object, allowed: list[str]) -> str:
    """End of a sentence about a wrong name: the closest allowed one, if any is close."""
    close = difflib.get_close_matches(str(given), allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
