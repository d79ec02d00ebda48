"""Lists of turns as ShareGPT, OpenAI, LLaMA-Factory, TRL and dialogue corpora write them, turned into messages.

Belongs here: spellings of roles and of the keys of a turn. Not here: which column the list stands in.
"""

import json
from collections.abc import Mapping
from typing import Any

from datasel_assets.formats.conversation import Conversation, Message, RowError, text_of, type_name, unmapped

ROLE_NAMES = {
    **dict.fromkeys(("user", "human", "prompter", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "ai", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
}
"""Spelling in the source (lower case) -> our role."""

STYLES = {"sharegpt": ("from", "value"), "messages": ("role", "content"), "dialogue": ("speaker", "utterance")}
"""Keys that hold the speaker and the text of a turn, by style."""

CALLS = ("tool_calls", "function_call")
TEXT_PARTS = {"text", "input_text", "output_text"}


def style_of(turn: object) -> str | None:
    """Name of the style whose keys the turn has, or None when it is not a turn."""
    if isinstance(turn, Mapping):
        for style, (speaker, _) in STYLES.items():
            if isinstance(turn.get(speaker), str):
                return style
    return None


def convert_turns(record: Mapping[str, Any], columns: Mapping[str, str], field: str) -> Conversation:
    """Turn a record with a list of turns into a conversation.

    A system text beside the list comes first. A chosen answer (preference data) ends the conversation, unless the
    list already ends with an answer; then it stays in ``extra``. Keys of a turn other than speaker and text
    (``name``, ``tool_call_id``, ``frames``, ...) are kept in ``extra["message_fields"]`` under the index of their
    message.

    Args:
        record: One record of the source.
        columns: field -> column; ``field`` and optionally ``system`` and ``chosen``.
        field: Name of the field that holds the list.

    Raises:
        RowError: not a list of turns, an unknown role, content that is not text, or nobody speaks before the
            final assistant message.
    """
    column = columns.get(field)
    turns = record.get(column) if column else None
    if turns is None:
        raise RowError(f"missing turns: column {column or field!r} is absent or null")
    turns = _list_of_turns(turns, column)
    messages: list[Message] = []
    fields: dict[str, dict[str, Any]] = {}

    def add(turns: list) -> None:
        for turn in turns:
            message, rest = _message(turn, len(messages))
            if rest:
                fields[str(len(messages))] = rest
            messages.append(message)

    if system := text_of(record, columns.get("system")):
        messages.append(("system", system))
    add(turns)
    extra = unmapped(record, columns)
    chosen = record.get(columns["chosen"]) if "chosen" in columns else None
    if chosen is not None:
        if messages and messages[-1][0] == "assistant":
            extra[columns["chosen"]] = chosen
        else:
            add(_list_of_turns(chosen, columns["chosen"]))
    _require_a_prompt(messages)
    if fields:
        extra["message_fields"] = fields
    return Conversation(messages, extra)


def _list_of_turns(value: object, column: str | None) -> list:
    """The turns; a lone turn is a list of one, and bare texts alternate between user and assistant (as in LIMA)."""
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, list):
        raise RowError(f"wrong type: column {column!r} holds {type_name(value)} where a list of turns is needed")
    if value and all(isinstance(turn, str) for turn in value):
        return [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(value)]
    return value


def _message(turn: object, index: int) -> tuple[Message, dict[str, Any]]:
    """(role, content) of one turn and the rest of its keys."""
    style = style_of(turn)
    if style is None or not isinstance(turn, Mapping):
        raise RowError(f"not a turn: message {index} has no speaker under role, from or speaker")
    speaker_key, text_key = STYLES[style]
    speaker = turn[speaker_key].strip().lower()
    # In dialogue corpora the "system" is the one who answers; everywhere else it is the one who instructs.
    role = "assistant" if style == "dialogue" and speaker == "system" else ROLE_NAMES.get(speaker)
    if role is None:
        raise RowError(f"unknown role: {turn[speaker_key]!r:.40} in message {index}")
    used = {speaker_key, text_key}
    content = _content(turn.get(text_key), index)
    for key in CALLS:
        if turn.get(key):
            used.add(key)
            call = json.dumps(turn[key], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            content = f"{content}\n{call}" if content else call
    rest = {key: value for key, value in turn.items() if value is not None and key not in used}
    return (role, content), rest


def _content(value: object, index: int) -> str:
    """Text of a turn: a string, or OpenAI content parts, of which only text can be kept without loss."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, list):
        raise RowError(f"wrong type: message {index} holds {type_name(value)} where text is needed")
    texts = []
    for part in value:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") in TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, Mapping) else type_name(part)
            raise RowError(f"not text: message {index} has a part of type {kind!r:.40}")
    return "\n".join(texts)


def _require_a_prompt(messages: list[Message]) -> None:
    """Somebody (a user or a tool) must speak before the final assistant message."""
    final = max((i for i, (role, _) in enumerate(messages) if role == "assistant"), default=len(messages))
    if not any(role in {"user", "tool"} and content.strip() for role, content in messages[:final]):
        raise RowError("no user message: nobody speaks before the final assistant message")
