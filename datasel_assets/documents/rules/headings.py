"""Headings: what a section says about what its heading names. Not here: what a section is (``blocks``)."""

import re
from collections.abc import Iterator

from datasel_assets.documents.blocks import Block, sections
from datasel_assets.documents.document import Document, Drawn

_NAMES_NOTHING = re.compile(
    r"^\W*(?:example|exercise|problem|practice|try it|solution|answer|reference|contents|table of contents|copyright|"
    r"footnote|bibliography|see also|further reading|changelog|acknowledge?ment)s?\b",
    re.IGNORECASE,
)
"""Headings under which no explanation stands."""


def drawn(document: Document, parts: list[Block]) -> Iterator[Drawn]:
    """Yield a row for each section with prose: the heading, as a question, and the text under it."""
    for heading, below in sections(parts):
        if _NAMES_NOTHING.match(heading.text) or not any(part.kind == "paragraph" for part in below):
            continue
        start, stop = below[0].start, below[-1].stop
        yield Drawn(_question(heading.text, document.title), document.text[start:stop].strip(), start, stop, "headings")


def _question(heading: str, title: str) -> str:
    if heading.endswith("?"):
        return heading
    about = f" in the context of “{title}”" if title and title.casefold() != heading.casefold() else ""
    return f"Explain “{heading}”{about}."
