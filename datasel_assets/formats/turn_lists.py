"""The encodings in which the turns of a conversation come: a list of objects, or the same list written otherwise.

Belongs here: getting a list of turn objects out of any of them. Not here: what a turn says (``turn_content``).

========================================  ====================================================
a list of objects                         ``[{"role": "user", "content": "Q"}, ...]``
a lone turn                               ``{"role": "assistant", "content": "A"}``
JSON text of any of these (CSV)           ``'[{"role": "user", "content": "Q"}, ...]'``
a list of JSON texts (Arrow's JSON type)  ``['{"role": "user", "content": "Q"}', ...]``
an object of lists (``Sequence``)         ``{"role": ["user", ...], "content": ["Q", ...]}``
pairs of role and text                    ``[["user", "Q"], ["assistant", "A"]]``
pairs of question and answer              ``[["Q", "A"], ["R", "B"]]``
texts that alternate (LIMA)               ``["Q", "A"]``
objects keyed by role                     ``[{"user": "Q", "assistant": "A"}]``
========================================  ====================================================
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datasel_assets.formats.conversation import RowError
from datasel_assets.formats.values import parsed_json, type_name

ROLE_NAMES = {
    **dict.fromkeys(("user", "human", "prompter", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "ai", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
}
"""Spelling in the source (lower case) -> our role."""

STYLES = {"sharegpt": ("from", "value"), "messages": ("role", "content"), "dialogue": ("speaker", "utterance")}
"""Keys that hold the speaker and the text of a turn, by style."""


def style_of(turn: object) -> str | None:
    """Name of the style whose keys the turn has, or None when it is not a turn."""
    if isinstance(turn, dict | Mapping):  # asking for dict first is four times as fast
        for style, (speaker, _) in STYLES.items():
            if isinstance(turn.get(speaker), str):
                return style
    return None


def style_of_list(value: object) -> str | None:
    """Style of a list of turns in any encoding but those that hold only texts; None for what is no such list."""
    if isinstance(value, str | bytes):
        value = parsed_json(value)
    if isinstance(value, Mapping):
        value = _rows_of_columns(value)
    if not isinstance(value, list) or not value:
        return None
    if style := style_of(value[0]):
        return style
    if _by_role(value) or _role_pairs(value):
        return "messages"
    return style_of(_of_json_texts(value)[0]) if _of_json_texts(value) else None


def is_pairs(value: object) -> bool:
    """Whether a value is a list of pairs of texts."""
    return isinstance(value, list) and bool(value) and all(_is_pair(item) for item in value)


def turn_list(value: Any, column: str | None) -> Sequence[Any]:
    """The turns of a conversation as a list of objects, from any encoding.

    Raises:
        RowError: the value is no list of turns.
    """
    if isinstance(value, list) and value and isinstance(value[0], dict) and style_of(value[0]):
        return value  # what most sources hold
    if isinstance(value, str | bytes):
        found = parsed_json(value)
        if found is None:
            raise RowError(f"wrong type: column {column!r} holds {type_name(value)} where a list of turns is needed")
        value = found
    if isinstance(value, Mapping):
        return _rows_of_columns(value) or [value]
    if not isinstance(value, list):
        raise RowError(f"wrong type: column {column!r} holds {type_name(value)} where a list of turns is needed")
    if not value:
        return value
    first = value[0]
    if isinstance(first, Mapping):
        return value if style_of(first) else _by_role(value) or value
    if isinstance(first, str | bytes):
        if texts := _of_json_texts(value):
            return texts
        return _alternating(value) if all(isinstance(turn, str) for turn in value) else value
    if is_pairs(value):
        return _role_pairs(value) or _alternating([text for pair in value for text in pair])
    return value


def _alternating(texts: list[str]) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _role_pairs(value: list) -> list[dict[str, str]] | None:
    """Turns from [role, text] pairs; None where the first texts are not all names of roles."""
    if not is_pairs(value) or not all(role.strip().lower() in ROLE_NAMES for role, _ in value):
        return None
    return [{"role": role, "content": text} for role, text in value]


def _of_json_texts(value: list) -> list[Any] | None:
    """Turns from texts that are JSON objects with a speaker, all of them; such texts never alternate."""
    found = [parsed_json(text) if isinstance(text, str | bytes) else None for text in value]
    return found if all(style_of(turn) for turn in found) else None


def _rows_of_columns(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Turns from an object of equally long lists; None where it has no list of speakers."""
    if not any(isinstance(value.get(speaker), list) for speaker, _ in STYLES.values()):
        return None
    lists = {key: items for key, items in value.items() if items is not None}
    lengths = {len(items) if isinstance(items, list) else -1 for items in lists.values()}
    if len(lengths) > 1 or -1 in lengths:
        raise RowError("not a turn: an object of lists must have one list for each key, all of the same length")
    return [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]


def _by_role(value: list) -> list[dict[str, str]] | None:
    """Turns from objects whose keys are names of roles and whose values are texts."""
    turns = []
    for item in value:
        if not isinstance(item, Mapping):
            return None
        said = {key: text for key, text in item.items() if text is not None}
        if not said or not all(key.strip().lower() in ROLE_NAMES and isinstance(said[key], str) for key in said):
            return None
        turns += [{"role": key, "content": text} for key, text in said.items()]
    return turns
