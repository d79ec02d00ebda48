"""ShareGPT: ``conversations: [{from, value}, ...]``, with ``system``, ``tools`` and a chosen answer beside it."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats.conversation import Conversation
from datasel_assets.formats.turns import convert_turns

FIELDS = {
    "conversations": ("conversations", "conversation", "messages", "dialog", "dialogue", "chat", "chosen"),
    "system": ("system", "system_prompt"),
    "chosen": ("chosen",),
}
REQUIRED = (("conversations",),)
KINDS = {
    "conversations": {"turns:sharegpt", "strings"},
    "chosen": {"turn:sharegpt", "turns:sharegpt"},
}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """One record -> conversation; see ``turns.convert_turns``."""
    return convert_turns(record, columns, "conversations")
