"""Definitions: paragraphs that begin by saying what something is. Not here: explanations of headings (``headings``)."""

import re
from collections.abc import Iterator

from datasel_assets.documents.blocks import Block
from datasel_assets.documents.document import Document, Drawn

_IS = re.compile(
    r"^(?:(A|An|The) )?(?P<what>[A-Za-z][\w’'()/-]*(?: [\w’'()/-]+){0,5}?) (?P<verb>is|are|refers to|means) "
    r"(?:a|an|the|any|one)\s"
)
_NO_NAMES = frozenset(
    (
        *("it", "this", "that", "there", "these", "those", "here", "he", "she", "they", "we", "you", "what", "which"),
        *(
            "note",
            "assume",
            "currently",
            "another",
            "if",
            "in",
            "for",
            "so",
            "one",
            "each",
            "all",
            "and",
            "but",
            "when",
        ),
    )
)
"""First words after which no name of a thing follows."""


def drawn(document: Document, parts: list[Block]) -> Iterator[Drawn]:
    """Yield a row for each paragraph that begins like ``A mean is the ...``."""
    for part in parts:
        found = _IS.match(part.text) if part.kind == "paragraph" else None
        if found is None or found["what"].split()[0].casefold() in _NO_NAMES:
            continue
        verb = "are" if found["verb"] == "are" else "is"
        article = f"{found[1].lower()} " if found[1] else ""
        yield Drawn(f"What {verb} {article}{found['what']}?", part.text, part.start, part.stop, "definitions")
