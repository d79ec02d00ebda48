"""Kinds of values, as the formats name them: what a value of a field could be, before anything is read from it.

Belongs here: telling kinds apart. Not here: which kinds a field accepts (``formats``), which column a field gets
(``detect``).
"""

import math
from collections.abc import Mapping, Set
from decimal import Decimal

from datasel_assets.formats.assemble import definitions
from datasel_assets.formats.marks import is_transcript
from datasel_assets.formats.turn_content import address_of
from datasel_assets.formats.turn_lists import is_pairs, style_of, style_of_list
from datasel_assets.formats.values import MOMENTS, parsed_json

TEXT = {"text", "transcript"}
WRITTEN = {*TEXT, "number", "date", "strings", "values", "pairs", "lists", "object", "tools", "instances", "pictures"}
"""Kinds that :func:`formats.values.written` can write in a prompt."""
ANSWERS = {*TEXT, "number", "date"}
"""Kinds that can be an answer: several values are not one."""


def fits(kind: str | None, kinds: Set[str]) -> bool:
    """Whether a kind is among others; JSON text is text as well as what it spells."""
    if kind is None or kind in kinds:
        return kind is not None
    text, _, spelt = kind.partition(":")
    return text == "text" and ("text" in kinds or spelt in kinds)


def kind_of(value: object) -> str | None:
    """Kind of a value as the ``KINDS`` of the formats name it; None for what tells nothing: null, empty lists, NaN.

    Text that spells a list or an object in JSON is ``text:<kind of that>``.
    """
    if isinstance(value, str | bytes):
        return _kind_of_text(value)
    if value is None or isinstance(value, bool):
        return None if value is None else "flag"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float | Decimal):
        return "number" if math.isfinite(value) else None
    if isinstance(value, MOMENTS):
        return "date"
    if style := style_of(value):
        return f"turn:{style}"
    if isinstance(value, Mapping | list):
        return _kind_of_nested(value) if value else None
    return "other"


def _kind_of_text(value: str | bytes) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            return "other"
    if is_transcript(value):
        return "transcript"
    found = parsed_json(value)
    kind = kind_of(found) if found is not None else None
    return "text" if kind is None else f"text:{kind}"


def _kind_of_nested(value: Mapping | list) -> str:
    if style := _style(value):
        return f"turns:{style}"
    if isinstance(value, Mapping):
        return "tools" if ("function" in value or "parameters" in value) and definitions(value) else "object"
    first = next((item for item in value if item is not None), None)
    if isinstance(first, Mapping):
        return _kind_of_objects(value, first)
    if isinstance(first, list | tuple):
        return "pairs" if is_pairs(value) else "lists"
    if isinstance(first, str):
        return "tools" if first.lstrip().startswith("{") and definitions(value) else "strings"
    return "values"


def _kind_of_objects(value: list, first: Mapping) -> str:
    if "output" in first:
        return "instances"
    if definitions(value):
        return "tools"
    return "pictures" if "bytes" in first or address_of(first) else "object"


def _style(value: object) -> str | None:
    try:
        return style_of_list(value)
    except ValueError:  # lists of different lengths: the row says so when it is read
        return "messages"
