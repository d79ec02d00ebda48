"""Questions: those that are answered by what follows. Not here: headings that ask (``headings``)."""

import re
from collections.abc import Iterator
from itertools import pairwise

from datasel_assets.documents.blocks import Block
from datasel_assets.documents.document import Document, Drawn
from datasel_assets.documents.rules.worked_examples import SOLUTION

_MARKED = re.compile(
    r"^[ \t]*(?:Q|Question)(?:[ \t]*\d+)?[ \t]*[:.)][ \t]*(?P<asked>.+?)\n+[ \t]*(?:A|Answer)[ \t]*[:.)][ \t]*"
    r"(?P<told>.+?)(?=\n[ \t]*\n|\n[ \t]*(?:Q|Question)(?:[ \t]*\d+)?[ \t]*[:.)]|\Z)",
    re.MULTILINE | re.DOTALL,
)


def drawn(document: Document, parts: list[Block]) -> Iterator[Drawn]:
    """Yield a row for each ``Q: ... A: ...`` and for each paragraph that ends in a question, with the one after it."""
    spans = []
    for found in _MARKED.finditer(document.text):
        spans.append((found.start(), found.end()))
        yield Drawn(_line(found["asked"]), found["told"].strip(), found.start(), found.end(), "questions")
    for asked, told in pairwise(parts):
        if asked.kind != "paragraph" or told.kind == "heading" or not asked.text.endswith("?"):
            continue
        if told.text.endswith("?") or any(start < told.stop and asked.start < stop for start, stop in spans):
            continue
        yield Drawn(asked.text, SOLUTION.sub("", told.text, count=1), asked.start, told.stop, "questions")


def _line(text: str) -> str:
    return " ".join(text.split())
