"""Lists of turns as ShareGPT, OpenAI, LLaMA-Factory, TRL and dialogue corpora write them, turned into messages.

Belongs here: the order of list, system text and chosen answer. Not here: encodings of the list (``turn_lists``), what
one turn says (``turn_content``), which column the list stands in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datasel_assets.formats.assemble import assemble
from datasel_assets.formats.conversation import Conversation, Message, RowError, text_of, unmapped
from datasel_assets.formats.turn_content import Image, read_turn
from datasel_assets.formats.turn_lists import turn_list
from datasel_assets.formats.values import is_blank, is_missing


class _Turns:
    """Messages as they are added, and what stands beside each of them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fields: dict[int, dict[str, Any]] = {}
        self.images: list[tuple[int, Image]] = []
        self.untrained: list[int] = []

    def add(self, turns: Sequence[Any]) -> None:
        for turn in turns:
            index = len(self.messages)
            read = read_turn(turn, index, turns)
            if read.role == "system" and is_blank(read.content):
                continue  # an empty system message is none, so that copies with and without it are equal
            if read.rest:
                self.fields[index] = read.rest
            if not read.trained and read.role == "assistant":
                self.untrained.append(index)
            if read.images:
                self.images += [(index, image) for image in read.images]
            self.messages.append((read.role, read.content))


def convert_turns(record: Mapping[str, Any], columns: Mapping[str, str], field: str) -> Conversation:
    """Turn a record with a list of turns into a conversation.

    A system text beside the list comes first. A chosen answer (preference data) ends the conversation, unless the
    list already ends with an answer; then it stays in ``extra``. Keys of a turn that are no part of its message
    (``name``, ``tool_call_id``, ``frames``, ...) are kept in ``extra["message_fields"]`` under the index of their
    message.

    Args:
        record: One record of the source.
        columns: field -> column; ``field`` and optionally ``system``, ``chosen``, ``tools``, ``images``.
        field: Name of the field that holds the list.

    Raises:
        RowError: not a list of turns, an unknown role, content that is not text, nobody speaks before the
            final assistant message, or no answer may be trained on.
    """
    column = columns.get(field)
    value = record.get(column) if column else None
    if value is None:
        raise RowError(f"missing turns: column {column or field!r} is absent or null")
    read = _Turns()
    if not is_blank(system := text_of(record, columns.get("system"))):
        read.messages.append(("system", system))
    read.add(turn_list(value, column))
    extra = unmapped(record, columns)
    chosen = record.get(columns["chosen"]) if "chosen" in columns else None
    if not is_missing(chosen):
        if read.messages and read.messages[-1][0] == "assistant":
            extra[columns["chosen"]] = chosen
        elif isinstance(chosen, str) and not chosen.lstrip().startswith(("[", "{")):
            read.messages.append(("assistant", chosen))
        else:
            read.add(turn_list(chosen, columns["chosen"]))
    _require_a_prompt(read.messages)
    conversation = assemble(record, columns, read.messages, extra, read.images, read.untrained)
    fields = {str(i): rest for i, rest in read.fields.items() if i < len(conversation.messages)}
    if fields:
        extra["message_fields"] = fields
    return conversation


def _require_a_prompt(messages: list[Message]) -> None:
    """Somebody (a user or a tool) must speak before the final assistant message."""
    final = max((i for i, (role, _) in enumerate(messages) if role == "assistant"), default=len(messages))
    if not any(role in {"user", "tool"} and not is_blank(content) for role, content in messages[:final]):
        raise RowError("no user message: nobody speaks before the final assistant message")
