"""Whether an answer names one of the choices that its question gives."""

import math
import re

from datasel_assets.indicators.verify.exchange import Exchange, verifier

_LETTERED = re.compile(r"^[ \t]*(?:[-*•][ \t]+)?\(?([A-Z])[ \t]?[).:][ \t]+(\S.*?)[ \t]*$", re.M)
_INLINE = re.compile(r"(?<!\w)\(([A-H])\)\s+(.+?)(?=(?:[\s,;]+\([A-H]\)\s)|$)", re.M)
_HEADING = re.compile(
    r"^.*\b(?:options|choices)[ \t]*(?:are)?[ \t]*:[ \t]*\n((?:[ \t]*[-*•][ \t]+\S.*\n?)+)", re.I | re.M
)
_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+(\S.*?)[ \t]*$", re.M)
_NAMED = re.compile(
    r"^(?:[^\w\n]|(?:the|correct|best|right|answer|choice|option|is|final|therefore|so)\b)*?\(?\b([A-Z])(?:[).:,]|\s*$)"
    r"|(?:\b(?:answer|option|choice|statement)(?:\s+is)?\s*:?\s*\(?|\{|[(*])([A-Z])\b(?![\w'’])",
    re.M,
)
_SEVERAL = re.compile(
    r"\b(?:all that apply|rank|order|arrange|sort|each (?:of|item)|explain each|match|classify each|add|scenario|"
    r"conversation|dialogue|create|generate|rewrite|edit)\b",
    re.I,
)

FEWEST = 2


@verifier(source="ours; the reading of choices follows MMLU and FLAN prompts")
def choice_missed(exchange: Exchange) -> float:
    """1 where the answer to a multiple-choice question names none of the choices, or one that is not there; else 0.

    Choices are lines or inline items lettered from A on, and bullets under "options:". An answer names one by its
    letter or holds its text. NaN where no choices are given, or where they are to be sorted or treated each.
    """
    question = exchange.question
    if _SEVERAL.search(question):
        return math.nan
    lines = _run(_LETTERED.findall(question))
    # Two lines that begin with "A:" and "B:" are a dialogue as often as a choice.
    lettered = (lines if len(lines) > FEWEST or not re.search(r"^[ \t]*B:", question, re.M) else {}) or _run(
        _INLINE.findall(question)
    )
    heading = _HEADING.search(question)
    choices = list(lettered.values()) or (_BULLET.findall(heading.group(1)) if heading else [])
    if len(choices) < FEWEST:
        return math.nan
    answer = _plain(exchange.answer)
    if any(_plain(choice) in answer for choice in choices if _plain(choice)):
        return 0.0
    named = [letter for pair in _NAMED.findall(exchange.answer.strip()) for letter in pair if letter]
    return 0.0 if lettered and any(letter in lettered for letter in named) else 1.0


def _run(found: list[tuple[str, str]]) -> dict[str, str]:
    """Return the items that are lettered A, B, C, ... in this order; nothing where they are not."""
    letters = [letter for letter, _ in found]
    right = len(found) >= FEWEST and letters == [chr(ord("A") + k) for k in range(len(found))]
    return dict(found) if right else {}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
