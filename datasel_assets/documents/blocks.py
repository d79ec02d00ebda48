"""The parts of a text: headings, paragraphs, code. Belongs here: telling them apart. Does not: what is made of them.

Markdown, reStructuredText and plain text are read alike, since files are often a mixture: a heading is marked by ``#``,
by a line of punctuation under it, or is a short line without a full stop before a long one; code is fenced, indented
behind an empty line, or a line that is code alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "paragraph", "code"]

_MARKED = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_UNDER = re.compile(r"^([=\-~^\"'*+`.:])\1{2,}\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)\s*([\w+-]*)")
_CODE_LINE = re.compile(r"^\s*`[^`]+`\s*$")
_DIRECTIVE = re.compile(r"^\s*\.\. (?:code|code-block|sourcecode)::\s*([\w+-]*)")
SHORT, LONG = 80, 120


@dataclass(frozen=True)
class Block:
    """One part.

    Attributes:
        kind: what it is.
        text: without marks of its kind.
        start: first character in the document.
        stop: behind the last one.
        level: of a heading, 1 for the highest; 0 for others.
        language: of code, where it is named.
    """

    kind: Kind
    text: str
    start: int
    stop: int
    level: int = 0
    language: str = ""


def blocks(text: str) -> list[Block]:
    """Return the parts of a text, in order; empty lines are in none."""
    lines = [(match.start(), match.group().rstrip("\n")) for match in re.finditer(r"[^\n]*\n|[^\n]+$", text)]
    found: list[Block] = []
    marks: list[str] = []
    at = 0
    while at < len(lines):
        block, after = (
            _fenced(lines, at) or _directive(lines, at) or _heading(lines, at, marks) or _indented(lines, at, found)
        ) or _paragraph(lines, at)
        found += [block] if block is not None else []
        at = after
    return found


Lines = list[tuple[int, str]]
Found = tuple[Block | None, int] | None


def _end(lines: Lines, at: int) -> int:
    return lines[at][0] + len(lines[at][1])


def _fenced(lines: Lines, at: int) -> Found:
    opened = _FENCE.match(lines[at][1])
    if opened is None:
        return None
    last = at + 1
    while last < len(lines) and not lines[last][1].strip().startswith(opened[1]):
        last += 1
    body = "\n".join(line for _, line in lines[at + 1 : last])
    stop = _end(lines, min(last, len(lines) - 1))
    return Block("code", body, lines[at][0], stop, language=opened[2].lower()), last + 1


def _directive(lines: Lines, at: int) -> Found:
    named = _DIRECTIVE.match(lines[at][1])
    first = at + 1
    while named is not None and first < len(lines) and not lines[first][1].strip():
        first += 1
    if named is None or first >= len(lines) or not lines[first][1].startswith((" ", "\t")):
        return None
    code, after = _indented_lines(lines, first)
    return Block("code", code, lines[first][0], _end(lines, after - 1), language=named[1].lower()), after


def _heading(lines: Lines, at: int, marks: list[str]) -> Found:
    start, line = lines[at]
    if marked := _MARKED.match(line):
        return Block("heading", marked[2], start, start + len(line), level=len(marked[1])), at + 1
    title = line.strip()
    under = _UNDER.match(lines[at + 1][1]) if at + 1 < len(lines) else None
    if under and title and len(lines[at + 1][1].rstrip()) >= 0.7 * len(title) and not _UNDER.match(line):
        if under[1] not in marks:
            marks.append(under[1])
        return Block("heading", title, start, _end(lines, at + 1), level=marks.index(under[1]) + 1), at + 2
    if _UNDER.match(line):
        return None, at + 1
    plain = title[:1].isupper() and len(title) <= SHORT and title[-1:] not in ".,;:!" and " " in title
    below = lines[at + 1][1].strip() if at + 1 < len(lines) else ""
    if plain and len(below) >= LONG and below[-1:] in ".:?":
        return Block("heading", title, start, start + len(line), level=6), at + 1
    return None


def _indented(lines: Lines, at: int, found: list[Block]) -> Found:
    line = lines[at][1]
    if _CODE_LINE.match(line):
        return Block("code", line.strip().strip("`"), lines[at][0], _end(lines, at)), at + 1
    apart = at == 0 or not lines[at - 1][1].strip()
    if not (apart and line.startswith(("    ", "\t")) and line.strip()):
        return None
    code, after = _indented_lines(lines, at)
    return Block("code", code, lines[at][0], _end(lines, after - 1)), after


def _indented_lines(lines: Lines, at: int) -> tuple[str, int]:
    """Return indented lines without their common indent, and the place after the last of them."""
    after = last = at
    while after < len(lines) and (not lines[after][1].strip() or lines[after][1].startswith((" ", "\t"))):
        if lines[after][1].strip():
            last = after
        after += 1
    body = [line.expandtabs(4) for _, line in lines[at : last + 1]]
    indent = min(len(line) - len(line.lstrip()) for line in body if line.strip())
    return "\n".join(line[indent:] for line in body), last + 1


def _paragraph(lines: Lines, at: int) -> tuple[Block | None, int]:
    if not lines[at][1].strip():
        return None, at + 1
    after = at + 1
    while after < len(lines) and lines[after][1].strip():
        # A long line is a paragraph of its own: such files break lines at paragraphs. What follows a question answers.
        if (
            lines[after - 1][1].rstrip().endswith("?")
            or len(lines[after - 1][1]) >= LONG
            or len(lines[after][1]) >= LONG
            or _starts_anew(lines, after)
        ):
            break
        after += 1
    text = "\n".join(line.strip() for _, line in lines[at:after])
    return Block("paragraph", text, lines[at][0], _end(lines, after - 1)), after


def _starts_anew(lines: Lines, at: int) -> bool:
    line = lines[at][1]
    return bool(_FENCE.match(line) or _MARKED.match(line) or _UNDER.match(line) or _DIRECTIVE.match(line)) or bool(
        at + 1 < len(lines) and _UNDER.match(lines[at + 1][1]) and line.strip()
    )


def sections(parts: list[Block]) -> Iterator[tuple[Block, list[Block]]]:
    """Yield each heading with the parts that follow it up to the next heading."""
    heading: Block | None = None
    below: list[Block] = []
    for part in parts:
        if part.kind == "heading":
            if heading is not None:
                yield heading, below
            heading, below = part, []
        else:
            below.append(part)
    if heading is not None:
        yield heading, below
