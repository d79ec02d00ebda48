"""The one shape that every schema is turned into, and the rules that a conversation must meet.

Belongs here: the conversation, why a record is refused, and the helpers that read its fields. Not here: which
column of which schema holds what (one file each beside this one), how values are written (``values``), tools and
pictures beside the messages (``assemble``), hashing and tables (``corpus``).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from datasel_assets.formats import marks
from datasel_assets.formats.values import NotTextError, is_blank, is_missing, type_name, written

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
    """Messages in order, what belongs to them, and every field of the record that is not part of them.

    Attributes:
        messages: (role, content) of each turn.
        extra: fields of the record that nothing was taken from.
        tools: definitions of the tools that may be called, as JSON text of a list; None where there are none.
        untrained: indices of the assistant messages that are marked as not to be trained on.
        images: paths or addresses of pictures, one for each ``<image>`` in the messages.
    """

    messages: list[Message]
    extra: dict[str, Any]
    tools: str | None = None
    untrained: tuple[int, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def final(self) -> int:
        """Index of the final assistant message; ``checked`` guarantees that there is one."""
        final = len(self.messages) - 1
        while self.messages[final][0] != "assistant":
            final -= 1
        return final


def checked(conversation: Conversation, max_turns: int, strip_suffix: str | None = None) -> Conversation:
    """Return the conversation in Unicode NFC, or say why it may not enter the corpus.

    Args:
        conversation: Result of one of the converters.
        max_turns: Most messages that one row may have.
        strip_suffix: Literal that is cut from the end of every assistant message, such as ``<|endoftext|>``.

    Raises:
        RowError: too many messages, no assistant message, one without visible text, a question without visible text
            before the final answer, or text that is not Unicode.
    """
    if len(conversation.messages) > max_turns:
        raise RowError(f"too many turns: {len(conversation.messages):,}, the limit is limits.turns = {max_turns:,}")
    messages, final = [], -1
    changed = False
    for index, message in enumerate(conversation.messages):
        role, content = message
        if role == "assistant":
            final = index
            if strip_suffix:
                content = content.removesuffix(strip_suffix)
        if not content.isascii():
            content = to_nfc(content)
        if content is not message[1]:
            changed = True
            message = (role, content)
        messages.append(message)
    if final < 0:
        raise RowError("no assistant message: nothing to train on")
    if is_blank(messages[final][1]):
        raise RowError("empty response: the final assistant message has no text")
    for index in range(final):
        role, content = messages[index]
        if role != "tool" and is_blank(content):
            what = "empty response" if role == "assistant" else "empty prompt"
            raise RowError(f"{what}: message {index} ({role}) has no text")
    tools = conversation.tools
    if tools is not None and not tools.isascii():
        return replace(conversation, messages=messages, tools=to_nfc(tools))
    return replace(conversation, messages=messages) if changed else conversation


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
    """Value of one field as it is written in a prompt; a field that is absent or null reads as empty.

    Raises:
        RowError: the field holds something that has no written form.
    """
    value = record.get(column) if column is not None else None
    if isinstance(value, str):
        return value
    try:
        return written(value)
    except NotTextError as error:
        raise RowError(f"wrong type: column {column!r} holds {error} where text is needed") from error


def response_of(record: Mapping[str, Any], column: str | None, tried: tuple[str, ...]) -> str:
    """Text of the response field; unlike other fields it must be there, and one value.

    Several answers are not an answer, so lists are refused, and so are objects and numbers that are none.

    Raises:
        RowError: no column, null, or no answer.
    """
    value = record.get(column) if column is not None else None
    if isinstance(value, str):
        return value
    if column is None:
        raise RowError(f"missing response: {_unusable(record, tried)}")
    if value is None:
        state = "null" if column in record else "absent"
        raise RowError(f"missing response: column {column!r} is {state}")
    if isinstance(value, list | tuple | Mapping):
        raise RowError(f"wrong type: column {column!r} holds {type_name(value)} where text is needed")
    try:
        return written(value)
    except NotTextError as error:
        raise RowError(f"missing response: column {column!r} holds {error}, which is no answer") from error


def _unusable(record: Mapping[str, Any], tried: tuple[str, ...]) -> str:
    """What stands where a response would be looked for."""
    for name in tried:
        if not is_missing(record.get(name)) and not (name == "chosen" and "rejected" not in record):
            return f"column {name!r} holds {type_name(record[name])}, which is not read as an answer here"
    return f"none of the columns {', '.join(tried)}; name it under 'columns'"


def exchange(prompt: str, response: str, system: str = "", history: list[Message] | None = None) -> list[Message]:
    """Messages of a single-turn record: optional system message and history, prompt, response.

    A prompt that is a transcript up to the response (``Human: ... Assistant:``) becomes the turns that it holds.

    Raises:
        RowError: the prompt has no text.
    """
    if is_blank(prompt):
        raise RowError("empty prompt: there is a response but nothing that asks for it")
    messages = [("system", system)] if system and not is_blank(system) else []
    messages += history or []
    if marks.is_transcript(prompt) and (turns := _turns_before_an_answer(prompt)):
        return [*messages, *turns, ("assistant", response.removeprefix(" "))]
    return [*messages, ("user", prompt), ("assistant", response)]


def _turns_before_an_answer(prompt: str) -> list[Message] | None:
    """The turns of a prompt with speaker marks; None where it does not end where an answer begins."""
    turns = marks.split(prompt) or []
    if turns and turns[-1][0] == "assistant" and is_blank(turns[-1][1]):
        turns.pop()
    return turns if turns and turns[-1][0] == "user" else None


def unmapped(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Fields of the record that no part of the conversation was taken from; nulls are left out."""
    used = columns.values()
    return {key: value for key, value in record.items() if value is not None and key not in used}
