"""Fields of a record as JSON text: those that a row keeps beside its conversation, and those of a refused record.

Belongs here: writing any value, whatever it is. Not here: values in a prompt (``formats.values``).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

MOST_BITS = 12_000
"""Python writes no integer of more than 4,300 digits."""


def as_json(extra: dict[str, Any]) -> str:
    """Unmapped fields as JSON with sorted keys; what JSON cannot say (dates, NaN, half surrogates) is made text."""
    if not extra:
        return "{}"
    try:
        text = json.dumps(extra, ensure_ascii=False, sort_keys=True, allow_nan=False, default=_as_text)
    except (TypeError, ValueError):  # keys of mixed types, or NaN and infinities
        text = json.dumps(_plain(extra), ensure_ascii=False, sort_keys=True)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(_plain(extra), ensure_ascii=True, sort_keys=True)
    return text


def _plain(value: Any) -> Any:
    """The value with text keys and without non-finite numbers, which become text so that nothing is lost."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > MOST_BITS:
        return f"(a number of {value.bit_length():,} bits)"
    return value if isinstance(value, str | int | float | bool | None) else _as_text(value)


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def shown(record: dict[str, Any] | None) -> str:
    """A refused record for the person who looks at the quarantine."""
    if record is None:
        return ""
    try:
        return as_json(record)
    except RecursionError:
        return f"(nested too deeply to show; fields: {', '.join(map(str, record))})"


def to_utf8(text: str) -> str:
    """The text with half surrogates escaped, so that it has a UTF-8 form."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
