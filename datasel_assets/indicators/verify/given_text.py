"""Whether a question that speaks of a text has it."""

import math
import re

from datasel_assets.indicators.verify.exchange import Exchange, verifier

_KINDS = (
    r"(?:text|passage|paragraph|article|sentences?|story|poem|essay|email|e-mail|letter|code|snippet|function|list|table|"
    r"data|dataset|numbers?|words?|equations?|expression|statement|review|comment|tweet|conversation|dialogue|document|"
    r"excerpt|quote|input|string|array|phrase|recipe|query|schema|html|json|items?|information|facts|speech|lyrics|"
    r"headline|abstract|report|message|question|problem|script|sample|figures?|scenario|description|line|song|proverb)"
)
_FOLLOWING = re.compile(
    rf"\b(?:the|this|these|each of the|of the)?\s*following\b(?:[ \t]+[\w'-]+){{0,3}}?[ \t]+{_KINDS}\b"
    rf"|\b(?:given|provided)\s+{_KINDS}\s+below\b|\b{_KINDS}\s+(?:given\s+|provided\s+)?below\b",
    re.I,
)
_QUOTED = re.compile(r"[\"“«'‘][^\"”»]{6,}[\"”»'’]")
_NOTHING = re.compile(r"^\W*(?:no\s*input|none|n/?a|null|nil|empty)?\W*$", re.I)


@verifier(source="ours; a fault of Alpaca that AlpaCare, alpaca-cleaned and others mend by hand")
def text_missing(exchange: Exchange) -> float:
    """1 where the question speaks of "the following text" (or passage, code, list, ...) and no text follows, else 0.

    A text is whatever comes after a colon, after the sentence, on another line or in quotes; ``<noinput>`` and the like
    are none. NaN where no such text is spoken of.
    """
    question = exchange.question.strip()
    match = _FOLLOWING.search(question)
    if not match:
        return math.nan
    before, rest = question[: match.start()], question[match.end() :]
    sentence, _, after = _first_sentence(rest)
    given = [after, sentence.partition(":")[2], before.rpartition("\n")[0]]
    if any(not _NOTHING.match(part) for part in given) or _QUOTED.search(question) or "http" in question:
        return 0.0
    # "... the following words: " has a colon with nothing behind; without one what is meant may stand in the sentence.
    return 0.0 if re.search(r"\d|,.*,|[={(\[]|\s[-–—]\s", sentence) else 1.0


def _first_sentence(text: str) -> tuple[str, str, str]:
    """Return what is left of the sentence, how it ends, and what comes after it."""
    match = re.search(r"[.?!](?=\s|$)|\n", text)
    return (text, "", "") if match is None else (text[: match.start()], match.group(), text[match.end() :])
