"""Worked examples: a problem, and its solution under a word that says so. Not here: plain questions (``questions``)."""

import re
from collections.abc import Iterator

from datasel_assets.documents.blocks import Block
from datasel_assets.documents.document import Document, Drawn

# A number belongs to the word where a mark or the end of the line follows it: "Example 4:", but not "Answer 3 apples".
_NUMBER = r"(?:[ \t]+\d[\d.]*(?=[ \t]*(?:[.:)*_-]|\n|$)))?"
_PROBLEM = re.compile(rf"^\W*(?:Example|Exercise|Problem|Try It|Practice)\b{_NUMBER}[\s.:()*_-]*", re.IGNORECASE)
SOLUTION = re.compile(rf"^\W*(?:Solution|Answer)s?\b{_NUMBER}[\s.:()*_]*", re.IGNORECASE)
MOST_PARTS = 6


def drawn(document: Document, parts: list[Block]) -> Iterator[Drawn]:
    """Yield a row for each problem that is followed, within a few parts, by its solution."""
    at = 0
    while at < len(parts):
        if not _PROBLEM.match(parts[at].text):
            at += 1
            continue
        ahead = range(at + 1, min(at + MOST_PARTS, len(parts)))
        solved = next((k for k in ahead if SOLUTION.match(parts[k].text)), None)
        if solved is None:
            at += 1
            continue
        last = solved + (not SOLUTION.sub("", parts[solved].text).strip())
        if last < len(parts):
            prompt = _PROBLEM.sub("", "\n".join(part.text for part in parts[at:solved]), count=1).strip()
            response = SOLUTION.sub("", "\n".join(part.text for part in parts[solved : last + 1]), count=1).strip()
            yield Drawn(prompt, response, parts[at].start, parts[last].stop, "worked_examples")
        at = last + 1
