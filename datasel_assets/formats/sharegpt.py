"""ShareGPT: ``conversations: [{from, value}, ...]``, with ``system``, ``tools`` and a chosen answer beside it."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats import assemble
from datasel_assets.formats.conversation import Conversation
from datasel_assets.formats.turns import convert_turns

FIELDS = {
    "conversations": ("conversations", "conversation", "messages", "dialog", "dialogue", "chat", "chosen"),
    "system": ("system", "system_prompt"),
    "chosen": ("chosen",),
    **assemble.FIELDS,
}
REQUIRED = (("conversations",),)
KINDS = {
    "conversations": {"turns:sharegpt", "strings", "pairs"},
    "chosen": {"turn:sharegpt", "turns:sharegpt"},
    **assemble.KINDS,
}
VALUES = {"system": FIELDS["system"]}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """One record -> conversation; see ``turns.convert_turns``."""
    return convert_turns(record, columns, "conversations")
