"""Whether an answer is JSON where JSON is asked for."""

import json
import math
import re

from datasel_assets.indicators.verify.exchange import Exchange, code_blocks, verifier

_ASKED = re.compile(
    r"\b(?:in|as|to|into|return|output|produce|using|wrap\w*)\s+(?:only\s+)?(?:an?\s+|the\s+)?(?:valid\s+)?"
    r"json(?:\s+(?:format|object|array|string|document|list|output|response|file|representation))?\b",
    re.I,
)
_ABOUT = re.compile(
    r"\b(?:function|script|program|code|class|method|parse|parser|parsing|library|python|javascript|java|php|c\+\+|c#|"
    r"ruby|golang|sql|api|endpoint|request|explain|difference|what is|how (?:do|to|can)|why|schema"
    r"|convert (?:the |this )?"
    r"(?:following )?json|json(?: \w+)? (?:to|into)|read|load|app|application|query|server"
    r"|node(?:\.js)?|given (?:a |the )?(?:valid )?json|data type)\b",
    re.I,
)


@verifier(source="Zhou et al. 2023, IFEval, arXiv 2311.07911, detectable_format:json_format")
def json_invalid(exchange: Exchange) -> float:
    """1 where the answer to a question for JSON holds no JSON that parses, else 0.

    The answer as a whole, one of its blocks of code or all from its first to its last bracket must parse as an object
    or a list. NaN where no JSON is asked for, or where the question is about JSON: for code that reads it, say.
    """
    return float(not holds_json(exchange.answer.strip())) if wants_json(exchange.question) else math.nan


def wants_json(question: str) -> bool:
    """Tell whether a question asks for JSON, and is not about it."""
    return _ASKED.search(question[:4000]) is not None and not _ABOUT.search(question[:4000])


def holds_json(answer: str) -> bool:
    """Tell whether an answer, one of its blocks of code or all from its first to its last bracket is JSON."""
    candidates = [answer, *(code for _, code in code_blocks(answer))]
    for opening, closing in ("{}", "[]"):
        start, end = answer.find(opening), answer.rfind(closing)
        if 0 <= start < end:
            candidates.append(answer[start : end + 1])
    return any(map(_is_json, candidates))


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
