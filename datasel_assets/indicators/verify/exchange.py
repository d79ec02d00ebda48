"""What a verifier reads: one question and its answer; and how a verifier becomes an indicator of conversations.

Belongs here: pairing questions with answers, the worst of several answers, text without its code. Does not: any
verifier (one concept per file beside this one).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasel_assets.indicators.base import Indicator, indicator

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)")

_INLINE = re.compile(r"`[^`\n]+`")

LONGEST = 30_000
"""Characters of a text that are read; what lies behind decides nothing."""


@dataclass(frozen=True)
class Exchange:
    """A question and the answer to it.

    Attributes:
        question: the user's turns since the last answer, joined by empty lines.
        answer: the assistant's turn.
    """

    question: str
    answer: str

    @cached_property
    def prose(self) -> str:
        """The answer without its code."""
        return without_code(self.answer)


def _split(text: str) -> tuple[list[tuple[str, str]], str]:
    """Return the closed blocks of code of a text, (language, code) each, and the text without them."""
    blocks: list[tuple[str, str]] = []
    outside: list[str] = []
    inside: list[str] = []
    fence = language = ""
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if not fence:
            if match:
                fence, language, inside = match.group(1), match.group(2), [line]
            else:
                outside.append(line)
        elif match and match.group(1).startswith(fence) and not line.strip().strip(fence[0]):
            blocks.append((language.lower(), "".join(inside[1:])))
            outside.append("\n")
            fence = ""
        else:
            inside.append(line)
    # A block that is never closed is part of the text.
    return blocks, "".join(outside + (inside if fence else []))


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return the closed blocks of code of a text: (language in lower case, code) each."""
    return _split(text)[0] if "```" in text or "~~~" in text else []


def without_code(text: str) -> str:
    """Return a text with its code, fenced or between backticks, taken out."""
    if "`" not in text and "~~~" not in text:
        return text
    return _INLINE.sub(" ", _split(text)[1])


def exchanges(messages: Sequence[Mapping[str, str]]) -> list[Exchange]:
    """Return the questions and answers of a conversation; what a system or a tool says belongs to neither."""
    found, asked = [], []
    for message in messages:
        content = (message["content"] or "")[:LONGEST]
        if message["role"] == "user":
            asked.append(content)
        elif message["role"] == "assistant":
            found.append(Exchange("\n\n".join(asked), content))
            asked = []
    return found


def verifier(*, source: str, version: str = "1") -> Callable[[Callable[[Exchange], float]], Indicator]:
    """Declare a check of one exchange as an indicator of conversations: 0 passes, 1 fails, NaN does not apply.

    The value of a conversation is that of its worst exchange. A low value is kept.
    """

    def declare(check: Callable[[Exchange], float]) -> Indicator:
        def compute(rows: Sequence[Sequence[Exchange]]) -> np.ndarray:
            return np.array([worst(check(exchange) for exchange in row) for row in rows], np.float64)

        compute.__name__, compute.__doc__ = check.__name__, check.__doc__
        return indicator(keep="low", bounds=(0, 1), source=source, version=version, aggregate="max")(compute)

    return declare


def worst(values) -> float:
    """Return the largest of the values that apply, NaN where none does."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)
