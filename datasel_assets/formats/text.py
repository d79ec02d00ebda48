"""Plain text: one assistant message and no prompt."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats.conversation import Conversation, response_of, unmapped

FIELDS = {"text": ("text", "content", "document")}
REQUIRED = (("text",),)
KINDS = {}
VALUES = {}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Text -> assistant.

    Raises:
        RowError: no text, or not text.
    """
    content = response_of(record, columns.get("text"), FIELDS["text"])
    return Conversation([("assistant", content)], unmapped(record, columns))
