"""Scores that somebody else has made: what a value in a record or a table of the user means.

Belongs here: finding a field in a record, reading a number as a person would, several turns as one. Does not: which
row a value belongs to and reading the user's files (``tables.scores.given``, ``storage.given_numbers``).
"""

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from datasel_assets.indicators.score_kind import ScoreKind
from datasel_assets.specs.score import GivenSpec

BY_MESSAGE = "message_fields"
"""Field of a record that holds the fields of its messages, by the place of the message."""

LARGEST = 3.4e38
"""Scores are stored in single precision."""

SHOWN = 40

REDUCE = {"mean": lambda found: math.fsum(found) / len(found), "sum": math.fsum, "min": min, "max": max}


class GivenValueError(ValueError):
    """A value is there and is no score; the message says what it is instead."""


def value_at(record: Any, field: str) -> Any:
    """Return what a record holds at a dotted field, None where it holds nothing there.

    A name with dots in it is found too. A field of a list is the list of that field of its items, a number picks one
    item. ``message_fields`` is a list of the messages that have the field asked for, in their order. A text that is
    the JSON of an object or a list is read as that.

    >>> value_at({"scores": {"helpful": 3}}, "scores.helpful")
    3
    >>> value_at({"ratings": [{"value": 1}, {"value": 2}]}, "ratings.value")
    [1, 2]
    """
    if isinstance(record, str) and record.lstrip().startswith(("{", "[")):
        try:
            record = json.loads(record)
        except ValueError:
            return None if field else record
    if not field or record is None:
        return record
    if isinstance(record, list):
        head, _, rest = field.partition(".")
        if head.isdigit():
            return value_at(record[int(head)], rest) if int(head) < len(record) else None
        return [value_at(item, field) for item in record]
    if not isinstance(record, Mapping):
        return None
    names = field.split(".")
    for cut in range(len(names), 0, -1):
        name, rest = ".".join(names[:cut]), ".".join(names[cut:])
        if name not in record:
            continue
        if name == BY_MESSAGE and rest and isinstance(record[name], Mapping):
            places = sorted(record[name], key=int)
            found = [value_at(record[name][place], rest) for place in places]
            return [value for value in found if value is not None] or None
        return value_at(record[name], rest)
    return None


def score_of(
    value: Any, turns: str | None = None, bounds: tuple[float | None, float | None] = (None, None)
) -> tuple[float, list[float] | None]:
    """Return the score that a value is, and those of the turns where it is a list of them.

    Args:
        value: a number, its text, yes or no, or a list of these; None, an empty text and NaN are no value.
        turns: ``mean``, ``sum``, ``min`` or ``max``: how a list becomes one number; turns without a value are left
            out of it.
        bounds: lowest and highest value, also of a turn; None where open.

    Raises:
        GivenValueError: it is something else, is not finite, lies outside the bounds, or is a list and ``turns`` is
            not given.

    >>> score_of("4.5")
    (4.5, None)
    >>> score_of([1, 3], "mean")
    (2.0, [1.0, 3.0])
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = value_at(value, "")
    if not isinstance(value, list | tuple):
        return _number(value, bounds), None
    if turns is None:
        raise GivenValueError(f"the score is a list of {len(value)}: say under 'turns' how they become one")
    found = [_number(item, bounds) for item in value]
    known = [number for number in found if not math.isnan(number)]
    score = REDUCE[turns](known) if known else math.nan
    if abs(score) > LARGEST:
        raise GivenValueError(f"the {turns} of the turns is {score:g}, too large for a score")
    return score, found


def _number(value: Any, bounds: tuple[float | None, float | None]) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    if not isinstance(value, bool | int | float | Decimal | str):
        raise GivenValueError(f"the score is {_shown(value)}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except ValueError:
        raise GivenValueError(f"the score is {_shown(value)}, which is no number") from None
    low, high = bounds
    if math.isnan(number):
        return number
    if abs(number) > LARGEST:
        raise GivenValueError(f"the score is {_shown(value)}, which is infinite or too large for a score")
    if (low is not None and number < low) or (high is not None and number > high):
        ends = ["" if end is None else f"{end:g}" for end in bounds]
        raise GivenValueError(f"the score is {number:g}, outside the range {ends[0]}..{ends[1]} of its file")
    return number


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes out
        text = "a whole number of very many digits"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def reads_of(spec: GivenSpec) -> Sequence[str]:
    """Return the columns of the corpus from which a row's score is found."""
    return ["extra"] if spec.field is not None else [spec.match]


def about(spec: GivenSpec) -> str:
    """Return in words where the score comes from."""
    if spec.field is not None:
        found = f"The field `{spec.field}` of each record"
    else:
        found = f"The column `{spec.column}` of `{spec.table}` by the {spec.match} of each row"
    return f"{found}{f', the {spec.turns} of its turns' if spec.turns else ''}."


KIND = ScoreKind(name="given", ways=("given",), spec=GivenSpec, keep=None, per="source", about=about)
"""The kind of the files with ``how: given``."""
