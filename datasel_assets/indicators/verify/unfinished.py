"""Whether an answer ends in the middle."""

import math
import re

from datasel_assets.indicators.verify.exchange import Exchange, verifier

_NEED_ANOTHER = """the a an of and or but to in on at with for from by as that which who whose is are was were be
been being has have had will would can could should may might must not into than because while
although if when where their its his her your our my this these those such very between through
during about over under including like so then"""
_HANGING = frozenset(_NEED_ANOTHER.split())
_OFTEN_LAST = "in on over under about like so then by for is are was were be to this not that"
_MAY_END = frozenset(_OFTEN_LAST.split())
"""Words that a sentence may end with; alone they say little."""

_EMPTY_ITEM = re.compile(r"\n\s*(?:\d+[.)]|[-*•])\s*$")
_SENTENCE_END = re.compile(r"[.!?…。！？؟](?:[\"'”’)\]*_]|\s)*$")
_CODE_SIGN = re.compile(
    r"[{};=<>\\|#$@`~]|^\s*(?:end|done|fi|echo)\b|^\s*(?:def|class|import|return|for|while|if|SELECT|print)\b|\(\)",
    re.M,
)

LONGEST_CLOSING = 4
FEWEST_WORDS = 12
"""Shorter answers end without a full stop by nature."""


@verifier(source="ours")
def unfinished_end(exchange: Exchange) -> float:
    """How sure it is that the answer breaks off: 1, 0.5 or 0.

    1: it ends with a word that needs another (of, the, and), with a comma, an opening bracket, a hyphen, an item of a
    list without text, or inside a block of code. 0.5: prose of twelve words or more whose last line has a sentence that
    ends with a full stop, and another that does not. 0: else. NaN without an answer.
    """
    text = exchange.answer.rstrip()
    if not text:
        return math.nan
    if len(re.findall(r"^[ \t]*```", text, re.M)) % 2:
        return 1.0
    if text.endswith("```"):
        return 0.0
    if _EMPTY_ITEM.search(text):
        return 1.0
    prose = exchange.prose.rstrip()
    last_line = prose.rsplit("\n", 1)[-1]
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", last_line)
    if _SENTENCE_END.search(prose) or not words or _CODE_SIGN.search(last_line):
        return 0.0
    n = len(prose.split())
    if n < 4:
        return 0.0
    if prose.endswith((",", "(", "[", ";", " -", " –", " &")):
        # A short line with a comma closes a letter.
        return 1.0 if len(last_line.split()) > LONGEST_CLOSING or "\n" not in prose else 0.0
    ends_with_word = prose[-1].isalpha()
    hanging = ends_with_word and words[-1] in _HANGING
    if hanging and words[-1] not in _MAY_END:
        return 1.0
    inner = re.search(r"[.!?]\s+[A-Z\"“]", last_line)
    if n >= FEWEST_WORDS and ends_with_word and inner and len(last_line.split()) >= 4 and not _is_item(last_line):
        return 0.5
    return 0.5 if hanging and n >= FEWEST_WORDS else 0.0


def _is_item(line: str) -> bool:
    return bool(re.match(r"\s*(?:\d+[.)]|[-*•#|>])\s", line)) or (line.count(":") == 1 and len(line) < 60)
