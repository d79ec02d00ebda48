"""OpenAI messages: ``messages: [{role, content}, ...]``; also dialogue corpora (``turns: [{speaker, utterance}]``)."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats import assemble
from datasel_assets.formats.conversation import Conversation
from datasel_assets.formats.turns import convert_turns

FIELDS = {
    "messages": (
        "messages",
        "conversations",
        "conversation",
        "turns",
        "dialog",
        "dialogue",
        "chat",
        "prompt",
        "chosen",
    ),
    "system": ("system", "system_prompt"),
    "chosen": ("chosen", "completion", "response"),
    **assemble.FIELDS,
}
REQUIRED = (("messages",),)
KINDS = {
    "messages": {"turns:messages", "turns:dialogue"},
    "chosen": {"turn:messages", "turns:messages", "text"},
    **assemble.KINDS,
}
VALUES = {"system": FIELDS["system"]}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """One record -> conversation; see ``turns.convert_turns``."""
    return convert_turns(record, columns, "messages")
