"""Speaker marks inside one text: paragraphs that begin with ``Human:`` or ``Assistant:``, as hh-rlhf writes them.

Belongs here: where the marks are, and splitting at them. Not here: columns (``transcript``, ``conversation``).
"""

import re

ROLES = {"Human": "user", "Assistant": "assistant"}
SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")


def is_transcript(value: str) -> bool:
    """Whether a text begins as a transcript does and has an answer in it."""
    return "\n\nAssistant:" in value and value.lstrip().startswith("Human:")


def split(text: str) -> list[tuple[str, str]] | None:
    """(role, content) of each speaker; the mark and one space after it are no part of a message.

    None where the text does not begin with a mark.
    """
    before, *rest = SPEAKER.split(text)
    if not rest or before.strip():
        return None
    return [(ROLES[speaker], said) for speaker, said in zip(rest[::2], rest[1::2], strict=True)]
