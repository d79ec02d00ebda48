"""The one shape that every schema is turned into, and the rules that a conversation must meet.

Belongs here: the conversation, why a record is refused, and the helpers that read its fields. Not here: which
column of which schema holds what (one file each beside this one), hashing and tables (``corpus``).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("system", "user", "assistant", "tool")

Message = tuple[str, str]
"""(role, content), role one of ROLES."""


class RowError(ValueError):
    """A record that cannot become a conversation.

    The message reads ``<category>: <detail>``; quarantine statistics group by the category, so the category holds no
    values of the row.
    """


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order, and every field of the record that is not part of them."""

    messages: list[Message]
    extra: dict[str, Any]

    @property
    def final(self) -> int:
        """Index of the final assistant message; ``checked`` guarantees that there is one."""
        return next(i for i in range(len(self.messages) - 1, -1, -1) if self.messages[i][0] == "assistant")


def checked(conversation: Conversation, max_turns: int, strip_suffix: str | None = None) -> Conversation:
    """Return the conversation in Unicode NFC, or say why it may not enter the corpus.

    Args:
        conversation: Result of one of the converters.
        max_turns: Most messages that one row may have.
        strip_suffix: Literal that is cut from the end of every assistant message, such as ``<|endoftext|>``.

    Raises:
        RowError: too many messages, no assistant message, an empty final one, or text that is not Unicode.
    """
    if len(conversation.messages) > max_turns:
        raise RowError(f"too many turns: {len(conversation.messages):,}, the limit is limits.turns = {max_turns:,}")
    messages = []
    response = None
    for role, content in conversation.messages:
        if role == "assistant":
            if strip_suffix:
                content = content.removesuffix(strip_suffix)
            response = content
        messages.append((role, content if content.isascii() else to_nfc(content)))
    if response is None:
        raise RowError("no assistant message: nothing to train on")
    if not response or response.isspace():
        raise RowError("empty response: the final assistant message has no text")
    return Conversation(messages, conversation.extra)


def to_nfc(text: str) -> str:
    """Compose ``text`` (Unicode NFC), so that one accented letter has one spelling.

    Raises:
        RowError: half of a surrogate pair; such text has no UTF-8 form, and guessing the other half would invent data.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("not Unicode: half of a surrogate pair (a broken \\uD8xx escape)") from error
    return unicodedata.normalize("NFC", text)


def text_of(record: Mapping[str, Any], column: str | None) -> str:
    """Text of one field; a field that is absent or null reads as empty.

    Raises:
        RowError: the field holds something other than text.
    """
    value = record.get(column) if column is not None else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(f"wrong type: column {column!r} holds {type_name(value)} where text is needed")
    return value


def response_of(record: Mapping[str, Any], column: str | None, tried: tuple[str, ...]) -> str:
    """Text of the response field; unlike other fields it must be there.

    Raises:
        RowError: no column, null, or not text.
    """
    if column is None:
        raise RowError(f"missing response: none of the columns {', '.join(tried)}; name it under 'columns'")
    if record.get(column) is None:
        state = "null" if column in record else "absent"
        raise RowError(f"missing response: column {column!r} is {state}")
    return text_of(record, column)


def exchange(prompt: str, response: str, system: str = "", history: list[Message] | None = None) -> list[Message]:
    """Messages of a single-turn record: optional system message and history, prompt, response.

    Raises:
        RowError: the prompt has no text.
    """
    if not prompt or prompt.isspace():
        raise RowError("empty prompt: there is a response but nothing that asks for it")
    messages = [("system", system)] if system else []
    messages += history or []
    return [*messages, ("user", prompt), ("assistant", response)]


def unmapped(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Fields of the record that no part of the conversation was taken from; nulls are left out."""
    used = columns.values()
    return {key: value for key, value in record.items() if value is not None and key not in used}


def type_name(value: object) -> str:
    """Word for the type of a JSON value, for messages."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    names[bytes] = "bytes that are not UTF-8"
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
