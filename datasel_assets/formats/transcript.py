"""A whole dialogue in one text, as hh-rlhf writes it: paragraphs ``Human: ...`` and ``Assistant: ...``, chosen side."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats import assemble, marks
from datasel_assets.formats.conversation import Conversation, RowError, response_of

FIELDS = {"transcript": ("chosen", "transcript", "dialogue", "text"), **assemble.FIELDS}
REQUIRED = (("transcript",),)
KINDS = {"transcript": {"transcript"}, **assemble.KINDS}
VALUES = {}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Split at the speaker marks; the mark and one space after it are not part of a message.

    Raises:
        RowError: not text, no marks, or text before the first mark.
    """
    turns = marks.split(response_of(record, columns.get("transcript"), FIELDS["transcript"]))
    if turns is None:
        raise RowError("not a transcript: it must begin with 'Human:' or 'Assistant:'")
    return assemble.assemble(record, columns, turns)
