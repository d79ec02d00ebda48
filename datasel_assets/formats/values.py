"""Values of fields as text: how a person would write a number, a date, a list in a prompt, and what is no text at all.

Belongs here: the one rule for values of every kind, and what counts as empty. Not here: which column holds what, which
values may be an answer (``conversation``).
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

MOST_DIGITS = 4_000
"""Numbers with more digits are refused; Python itself writes none of more than 4,300."""

PLAIN_FLOATS = 1e21
"""Whole floats below this are written without an exponent."""

MOMENTS = (date, time, timedelta)
"""Types of dates, times and durations; a datetime is a date."""

_INVISIBLE = re.compile(
    r"[\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]*"
)
"""White space, control and format characters, fillers, variation selectors: what shows nothing on its own."""


class NotTextError(ValueError):
    """A value that has no written form; the message says what it is, to follow ``column 'x' holds``."""


def is_blank(text: str) -> bool:
    """Whether a text has no visible character: zero-width and control characters are none."""
    return not "!" <= text[:1] <= "~" and _INVISIBLE.fullmatch(text) is not None  # most texts begin with ASCII


def is_missing(value: object) -> bool:
    """Whether a field holds nothing: null, empty text (which is null in CSV), an empty list or object."""
    return value is None or (isinstance(value, str | list | dict | tuple) and not value)


def written(value: Any) -> str:
    """Write a value as a person would.

    Whole floats and decimals have no trailing zeros, dates and times are ISO 8601, bytes are UTF-8. Values of a list
    are separated by ``", "``, or stand on lines of their own where one of them holds a comma or a line break. Nested
    lists and objects are JSON. Null is empty.

    Raises:
        NotTextError: true/false, NaN, infinity, a number too long to write, bytes that are not UTF-8, an empty object.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return _list(value)
    if isinstance(value, Mapping):
        if not value:
            raise NotTextError("an object without fields")
        return as_json(value)
    if isinstance(value, bool):
        raise NotTextError("true/false")
    return _scalar(value)


def as_json(value: object) -> str:
    """Nested values as compact JSON, with dates, decimals and bytes as :func:`written` has them.

    Raises:
        NotTextError: a number that is none (NaN), or one too long to write, somewhere inside.
    """
    try:
        return json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)
    except NotTextError:
        raise
    except (TypeError, ValueError) as error:
        raise NotTextError(f"{type_name(value)} that cannot be written as JSON") from error


def parsed_json(value: object) -> Any:
    """The list or object that a text (or UTF-8 bytes) spells as JSON; None where it spells none."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if not isinstance(value, str) or not (head := value.lstrip()) or head[0] not in "[{":
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list | dict) else None


def without_nulls(value: Any) -> Any:
    """The value without the null keys of its objects: Arrow gives every struct of a column the keys of all others."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def type_name(value: object) -> str:
    """Word for the type of a value, for messages."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity, or a number that is too large"
    names = {
        **{dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"},
        **{Decimal: "a number", bytes: "bytes that are not UTF-8", date: "a date", datetime: "a date", time: "a time"},
        timedelta: "a duration",
    }
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _scalar(value: Any) -> str:
    if isinstance(value, int):
        if value.bit_length() > MOST_DIGITS * 10 // 3:
            raise NotTextError(f"a number of more than {MOST_DIGITS:,} digits")
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotTextError(type_name(value))
        return str(int(value)) if value.is_integer() and abs(value) < PLAIN_FLOATS else repr(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise NotTextError("NaN" if value.is_nan() else "Infinity")
        if abs(value.adjusted()) > MOST_DIGITS:
            raise NotTextError(f"a number of more than {MOST_DIGITS:,} digits")
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"-{-value}" if value < timedelta(0) else str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotTextError("bytes that are not UTF-8") from error
    if isinstance(value, UUID):
        return str(value)
    if type(value).__name__ in ("datetime64", "timedelta64"):  # of numpy, whose item() is a bare number
        return str(value)
    item = getattr(value, "item", None)  # numbers of numpy
    if callable(item) and type(plain := item()) is not type(value):
        return written(plain)
    raise NotTextError(type_name(value))


def _list(values: list | tuple) -> str:
    if any(value is None or isinstance(value, list | tuple | Mapping | bool) for value in values):
        return as_json(values)
    texts = [_scalar(value) if not isinstance(value, str) else value for value in values]
    apart = any("," in text or "\n" in text for text in texts)
    return ("\n" if apart else ", ").join(texts)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    text = _scalar(value)
    return value if isinstance(value, int | float) else text
