"""A whole dialogue in one text, as hh-rlhf writes it: paragraphs ``Human: ...`` and ``Assistant: ...``, chosen side."""

import re
from collections.abc import Mapping
from typing import Any

from datasel_assets.formats.conversation import Conversation, RowError, response_of, unmapped

FIELDS = {"transcript": ("chosen", "transcript", "dialogue", "text")}
REQUIRED = (("transcript",),)
KINDS = {"transcript": {"transcript"}}

ROLES = {"Human": "user", "Assistant": "assistant"}
SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")


def is_transcript(value: str) -> bool:
    """Whether a text begins as a transcript does and has an answer in it."""
    return re.match(r"\s*Human:", value) is not None and "\n\nAssistant:" in value


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Split at the speaker marks; the mark and one space after it are not part of a message.

    Raises:
        RowError: not text, no marks, or text before the first mark.
    """
    text = response_of(record, columns.get("transcript"), FIELDS["transcript"])
    before, *rest = SPEAKER.split(text)
    if not rest or before.strip():
        raise RowError("not a transcript: it must begin with 'Human:' or 'Assistant:'")
    messages = [(ROLES[speaker], said) for speaker, said in zip(rest[::2], rest[1::2], strict=True)]
    return Conversation(messages, unmapped(record, columns))
