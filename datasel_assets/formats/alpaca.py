"""Alpaca: ``instruction``, optional ``input``, ``output``; also Dolly, LLaMA-Factory and self-instruct seed tasks."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats import assemble
from datasel_assets.formats.conversation import (
    Conversation,
    Message,
    RowError,
    exchange,
    response_of,
    text_of,
    unmapped,
)
from datasel_assets.formats.values import is_missing, parsed_json

FIELDS = {
    "instruction": ("instruction", "instructions"),
    "input": ("input", "context", "inputs"),
    "response": ("chosen", "output", "response", "completion", "answer", "target"),
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "instances": ("instances",),
    **assemble.FIELDS,
}
REQUIRED = (("instruction",), ("response", "instances"))
KINDS = {"history": {"pairs", "lists"}, "instances": {"instances"}, **assemble.KINDS}
VALUES = {field: FIELDS[field] for field in ("input", "response", "system")}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Instruction, blank line, input -> user; output -> assistant.

    ``history`` (LLaMA-Factory: pairs of question and answer) comes before the instruction. ``instances``
    (self-instruct) hold input and output one level down: the first is taken, the others are kept in ``extra``,
    because one record is one row.

    Raises:
        RowError: no response, no prompt, or a field of the wrong type.
    """
    extra = unmapped(record, columns)
    source, input_column, response_column = record, columns.get("input"), columns.get("response")
    if "instances" in columns:
        instances = record.get(columns["instances"])
        if not isinstance(instances, list) or not instances or not isinstance(instances[0], Mapping):
            raise RowError(f"missing response: column {columns['instances']!r} has no instance")
        source, input_column, response_column = instances[0], "input", "output"
        if len(instances) > 1:
            extra["instances"] = instances[1:]
    response = response_of(source, response_column, FIELDS["response"])
    parts = (text_of(record, columns.get("instruction")), text_of(source, input_column))
    prompt = "\n\n".join(part for part in parts if part)
    history = _history(record.get(columns["history"])) if "history" in columns else []
    messages = exchange(prompt, response, text_of(record, columns.get("system")), history)
    return assemble.assemble(record, columns, messages, extra)


def _history(value: object) -> list[Message]:
    if is_missing(value):
        return []
    pairs = parsed_json(value) if isinstance(value, str | bytes) else value
    messages: list[Message] = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise RowError("wrong type: history must hold pairs [question, answer]")
        messages += [("user", pair[0]), ("assistant", pair[1])]
    return messages
