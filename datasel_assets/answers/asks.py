"""The shipped prompts, each a file of ``asks/``.

Belongs here: finding one by its name. Does not: what such a file says (``specs.ask``).
"""

from functools import cache
from importlib import resources

import yaml

from datasel_assets.schema import suggestion
from datasel_assets.specs.ask import AskSpec


class UnknownAskError(ValueError):
    """There is no shipped prompt of this name."""


def shipped() -> list[str]:
    """Return the names of the shipped prompts, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))


def ask_of(ask: str | AskSpec) -> AskSpec:
    """Return what is asked: a shipped prompt by its name, or what stands in the file itself.

    Raises:
        UnknownAskError: there is none of this name.
    """
    return ask if isinstance(ask, AskSpec) else _shipped(ask)


@cache
def _shipped(ask: str) -> AskSpec:
    names = shipped()
    if ask not in names:
        raise UnknownAskError(f"ask: there is no shipped prompt {ask!r}{suggestion(ask, names)} {', '.join(names)}")
    return AskSpec.model_validate(yaml.safe_load(_folder().joinpath(f"{ask}.yaml").read_text("utf-8")))


def _folder():  # a Traversable, whose home differs between versions of Python
    return resources.files("datasel_assets.answers") / "asks"
