"""What one turn says: its role, its text with reasoning and calls, its pictures, and whether it is trained on.

Belongs here: keys and content parts of a turn object. Not here: how turns are encoded (``turn_lists``), columns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datasel_assets.formats.conversation import RowError
from datasel_assets.formats.turn_lists import ROLE_NAMES, STYLES, style_of
from datasel_assets.formats.values import NotTextError, as_json, is_blank, type_name, without_nulls, written

CALLS = ("tool_calls", "function_call")
REASONING = ("reasoning_content", "reasoning", "thinking")
MASKS = ("weight", "train", "loss", "train_on_turn", "training", "trainable")
"""Keys that say whether an answer is trained on; 0 and false say that it is not."""
TEXT_KEYS = ("content", "value", "text", "utterance", "message", "parts")
"""Keys that a text is looked for under when the key of the style holds none."""
TEXT_PARTS = {"text", "input_text", "output_text"}
REASONING_PARTS = {"thinking", "reasoning"}
IMAGE_PARTS = {"image", "image_url", "input_image"}
IMAGE = "<image>"
_TRAINED = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a message: its path or address, or None where only its place is known, and the type of its part."""

    address: str | None
    kind: str


class Turn(NamedTuple):
    """One turn; ``rest`` holds the keys that nothing was taken from."""

    role: str
    content: str
    rest: dict[str, Any] | None = None
    images: Sequence[Image] = ()
    trained: bool = True


def _has_null_calls(turns: Sequence[Any]) -> bool:
    """Whether a turn spells out that it has no calls, as all turns of an Arrow struct do that is aligned with others.

    Null arguments of calls are then keys of other calls; elsewhere a null argument is one.
    """
    return any(isinstance(turn, Mapping) and key in turn and turn[key] is None for turn in turns for key in CALLS)


def read_turn(turn: object, index: int, turns: Sequence[Any] = ()) -> Turn:
    """Read one turn.

    Args:
        turn: object with a speaker.
        index: of its message, for errors.
        turns: all turns of the list that it is from.

    Raises:
        RowError: no speaker, an unknown role, or content that cannot be kept without loss.
    """
    style = style_of(turn)
    if style is None or not isinstance(turn, dict | Mapping):
        raise RowError(f"not a turn: message {index} has no speaker under role, from or speaker")
    speaker_key, text_key = STYLES[style]
    speaker = turn[speaker_key].strip().lower()
    # In dialogue corpora the "system" is the one who answers; everywhere else it is the one who instructs.
    role = "assistant" if style == "dialogue" and speaker == "system" else ROLE_NAMES.get(speaker)
    if role is None:
        raise RowError(f"unknown role: {turn[speaker_key]!r:.40} in message {index}")
    value = turn.get(text_key)
    if len(turn) == 2 and isinstance(value, str):
        return Turn(role, value)
    if value is None:
        text_key = next((key for key in TEXT_KEYS if turn.get(key) is not None), text_key)
        value = turn.get(text_key)
    used = {speaker_key, STYLES[style][1], text_key}
    text, thoughts, images = _content(value, role, index)
    calling = [key for key in CALLS if turn.get(key)]
    calls = [_call(turn[key], _has_null_calls(turns)) for key in calling]
    used.update(calling)
    if role == "assistant":
        for key in REASONING:
            if (said := _reasoning(turn.get(key))) is not None:
                used.add(key)
                thoughts.append(said)
    trained, masks = _trained(turn, role)
    used.update(masks)
    rest = {key: value for key, value in turn.items() if value is not None and key not in used}
    said = "\n".join(part for part in (text, *calls) if part)
    return Turn(role, _with_reasoning(said, thoughts), rest, images, trained)


def _call(value: object, aligned: bool) -> str:
    if isinstance(value, str):
        return value
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        value = json.loads(as_json(value))
    plain = without_nulls(value) if aligned else value
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _with_reasoning(text: str, thoughts: list[str]) -> str:
    """The answer after what was thought before it, once, in the marks that chat templates of reasoning models use."""
    new = [said for said in dict.fromkeys(thoughts) if not is_blank(said) and said.strip() not in text]
    if not new or is_blank(text):  # thoughts without an answer are an empty answer
        return text
    return "<think>\n{}\n</think>\n\n{}".format("\n\n".join(new), text)


def _reasoning(value: object) -> str | None:
    """Text of a reasoning field: a text, or a list of parts; None where it is something else (settings, flags)."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        texts = [part if isinstance(part, str) else _thought(part) for part in value]
        return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None  # type: ignore[arg-type]
    return None


def _thought(part: object) -> str | None:
    if not isinstance(part, Mapping):
        return None
    return next((part[key] for key in ("thinking", "reasoning", "text") if isinstance(part.get(key), str)), None)


def _trained(turn: Mapping[str, Any], role: str) -> tuple[bool, list[str]]:
    """Whether the turn may be trained on, and the keys that said so; other weights than 0 and 1 stay where they are."""
    found = {}
    for key in MASKS:
        value = turn.get(key)
        if value is not None and isinstance(value, bool | int | float | str):
            state = _TRAINED.get(str(value).strip().lower())
            # To train on a question is nothing that a corpus can say, so that mark stays visible.
            if state is not None and (role == "assistant" or not state):
                found[key] = state
    return all(found.values()), list(found)


def _content(value: object, role: str, index: int) -> tuple[str, list[str], list[Image]]:
    """(text, thoughts, pictures) of a turn: a value, or content parts, each of which must be kept or refused."""
    if isinstance(value, str):
        return value, [], []
    if role == "tool" and (isinstance(value, Mapping) or (isinstance(value, list) and not _is_parts(value))):
        return _result(value, index), [], []
    if isinstance(value, Mapping) and isinstance(value.get("parts"), list):
        value = value["parts"]
    if isinstance(value, Mapping) or not isinstance(value, list):
        return _value(value, role, index), [], []
    texts, thoughts, images = [], [], []
    for part in value:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and kind in {*TEXT_PARTS, None} and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif role == "assistant" and kind in REASONING_PARTS and (said := _thought(part)) is not None:
            thoughts.append(said)
        elif isinstance(part, Mapping) and kind in IMAGE_PARTS:
            texts.append(IMAGE)
            images.append(Image(address_of(part), str(kind)))
        else:
            raise RowError(f"not text: message {index} has a part of type {kind or type_name(part)!r:.40}")
    return "\n".join(texts), thoughts, images


def address_of(picture: object) -> str | None:
    """Path or address of a picture as its part or its column gives it; None where there is none."""
    if isinstance(picture, str):
        return picture or None
    if isinstance(picture, Mapping):
        keys = ("path", "url", "image_url", "image", "file_name", "source")
        return next((found for key in keys if (found := address_of(picture.get(key)))), None)
    return None


def _is_parts(value: list) -> bool:
    return all(isinstance(part, str) or (isinstance(part, Mapping) and "type" in part) for part in value)


def _result(value: object, index: int) -> str:
    """What a tool returned, as JSON."""
    try:
        return as_json(without_nulls(value))
    except NotTextError as error:
        raise RowError(f"wrong type: message {index} holds {error} where text is needed") from error


def _value(value: object, role: str, index: int) -> str:
    """A turn says text; what a tool says may be any value."""
    try:
        if role != "tool" and not isinstance(value, bytes | None):
            raise NotTextError(type_name(value))
        return written(value)
    except NotTextError as error:
        raise RowError(f"wrong type: message {index} holds {error} where text is needed") from error
