"""Rules that draw rows out of documents, one file each.

Belongs here: the list of them, and what every row must keep to. Does not: any rule. A rule is a module with
``drawn(document, parts)``, and a line in ``RULES``; the tests of all rules then cover it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from datasel_assets.documents.blocks import Block, blocks
from datasel_assets.documents.document import Document, Drawn
from datasel_assets.documents.rules import code, definitions, headings, questions, worked_examples

RULES: Mapping[str, Callable[[Document, list[Block]], Iterator[Drawn]]] = MappingProxyType(
    {
        "worked_examples": worked_examples.drawn,
        "questions": questions.drawn,
        "code": code.drawn,
        "definitions": definitions.drawn,
        "headings": headings.drawn,
    }
)
"""Name in YAML -> rule, the most specific first."""


def draw(
    document: Document, rules: Sequence[str] = tuple(RULES), *, shortest: int = 40, longest: int = 4000
) -> list[Drawn]:
    """Return the rows of a document, by their spans; of equal answers the more specific rule's counts.

    Args:
        document: is read.
        rules: names of :data:`RULES`.
        shortest: characters that a response has at least; code may be shorter.
        longest: characters that prompt and response have at most each; longer ones are left out, not cut.
    """
    parts = blocks(document.text)
    found: dict[str, Drawn] = {}
    for name in (name for name in RULES if name in rules):
        for row in RULES[name](document, parts):
            least = shortest if name in ("definitions", "headings") else 1
            fits = least <= len(row.response) <= longest and len(row.prompt) <= longest
            if fits and row.prompt.strip() and row.response.strip():
                found.setdefault(row.response, row)
    return sorted(found.values(), key=lambda row: (row.start, row.stop, row.rule))
