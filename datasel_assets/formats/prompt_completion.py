"""Prompt and completion in two text columns, under any of their usual names; preference pairs use the chosen side."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats import assemble
from datasel_assets.formats.conversation import Conversation, exchange, response_of, text_of

FIELDS = {
    "prompt": ("prompt", "input", "inputs", "text"),
    "response": (
        *("chosen", "completion", "response", "output", "outputs", "target", "targets"),
        *("canonical_solution", "code"),
    ),
    "system": ("system", "system_prompt"),
    **assemble.FIELDS,
}
REQUIRED = (("prompt",), ("response",))
KINDS = {**assemble.KINDS}
VALUES = {"response": ("completion", "response", "output", "outputs"), "system": FIELDS["system"]}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Prompt -> user; completion -> assistant. Text is kept as it stands, end-of-text literals included.

    Raises:
        RowError: no response, no prompt, or a field of the wrong type.
    """
    response = response_of(record, columns.get("response"), FIELDS["response"])
    messages = exchange(text_of(record, columns.get("prompt")), response, text_of(record, columns.get("system")))
    return assemble.assemble(record, columns, messages)
