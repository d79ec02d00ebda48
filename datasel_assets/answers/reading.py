"""What a reply says: numbers, or why it cannot be read.

Belongs here: reading one reply. Does not: asking again, what rows score by it (``scoring``). A reply that can be read
in two ways is not read: a wrong number is worse than none.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasel_assets.indicators.verify.exchange import code_blocks
from datasel_assets.specs.ask import (
    ChoiceReply,
    ExpectedReply,
    FieldsReply,
    NumberReply,
    ReplySpec,
    ReviewReply,
    TextReply,
)

REGEX_SECONDS = 1.0
"""A regular expression that takes longer over one reply has lost its way."""

COMPARED = ("text", "review")
"""Forms of replies that are compared with the answer of the row."""
BATCHED = ("number", "choice", "fields")
"""Forms of replies that several questions may have in one reply."""
LEAST_LINES = 3
"""Code of so few lines shows nothing by needing no revision."""

_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)
_NUMBER = re.compile(
    r"[*_`#\s]*(?:(?:overall\s+)?(?:score|rating|grade|answer)\s*(?:is|:|=|-)?\s*)?[*_`\s]*"
    r"(?P<number>[-+]?\d+(?:[.,]\d+)?)(?:\s*(?:/|out of)\s*(?P<of>\d+(?:\.\d+)?))?(?P<rest>.*)",
    re.IGNORECASE,
)
_LEAD = r"[*_`\"'(\s]*(?:(?:answer|choice|verdict|text)\s*(?:is|:)?\s*)?[*_`\"'(\s]*"
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Read:
    """What was read.

    Attributes:
        numbers: of each field; empty where the reply cannot be read.
        unread: why it cannot, else None.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    unread: str | None = None


class _UnreadError(ValueError):
    """The reply does not have the form asked for."""


def read_reply(spec: ReplySpec, reply: str, logprobs: Mapping[str, float] | None = None, response: str = "") -> Read:
    """Return what a reply says.

    Args:
        spec: its form.
        reply: its text; what a model thinks aloud at its beginning is left out.
        logprobs: natural logarithms of the probabilities of its first token, by token.
        response: of the row, for replies that are compared with it.
    """
    reply = without_thought(reply)
    try:
        match spec:
            case NumberReply():
                return Read({"score": _number(spec, reply)})
            case ExpectedReply():
                return Read({"score": _expected(spec, logprobs)})
            case ChoiceReply():
                return Read({"score": _choice(spec, reply)})
            case FieldsReply():
                return Read(_fields(spec, reply))
            case ReviewReply():
                return Read({"score": _review(reply, response)})
            case TextReply():
                return Read({"score": _likeness(spec, reply, response)})
    except _UnreadError as error:
        return Read(unread=str(error))


def without_thought(reply: str) -> str:
    """Return a reply without what a model thinks aloud at its beginning."""
    return _THOUGHT.sub("", reply, count=1)


def reminder(spec: ReplySpec, unread: str) -> str:
    """Return what is said to whoever gave a reply that cannot be read."""
    match spec:
        case NumberReply():
            form = f"one {'whole ' if spec.whole else ''}number from {spec.low:g} to {spec.high:g} and nothing else"
        case ChoiceReply() | ExpectedReply():
            form = f"one of these words and nothing else: {', '.join(spec.options)}"
        case FieldsReply(regex=None):
            form = f"one JSON object with the keys {', '.join(spec.fields)} and nothing else"
        case ReviewReply():
            form = 'one JSON object with "correct" (true or false) and "revised" (the code as it should be)'
        case _:
            form = "the form that was asked for"
    return f"That reply could not be read ({unread}). Reply with {form}."


def json_schema(spec: ReplySpec) -> dict[str, Any] | None:
    """Return the JSON Schema of a reply that is JSON, else None."""
    if not isinstance(spec, FieldsReply) or spec.regex is not None:
        return None
    properties = {
        name: {
            "type": "number",
            **({"minimum": bounds.low} if bounds.low is not None else {}),
            **({"maximum": bounds.high} if bounds.high is not None else {}),
        }
        for name, bounds in spec.fields.items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": True}


def _number(spec: NumberReply, reply: str) -> float:
    first = next((line for line in reply.splitlines() if line.strip()), "")
    found = _NUMBER.match(first)
    if found is None:
        raise _UnreadError("it does not begin with a number" if first else "it is empty")
    if re.search(r"\d", found["rest"]) or re.match(r"\s*(?:-|–|to\b|or\b)", found["rest"]):
        raise _UnreadError("its first line has several numbers")
    number = float(found["number"].replace(",", "."))
    if found["of"] and float(found["of"]) != spec.high:
        raise _UnreadError(f"it counts out of {found['of']}, not out of {spec.high:g}")
    return _bounded("its number", number, spec.low, spec.high, whole=spec.whole)


def _bounded(what: str, number: float, low: float | None, high: float | None, *, whole: bool = False) -> float:
    if not math.isfinite(number):
        raise _UnreadError(f"{what} is not finite")
    if (low is not None and number < low) or (high is not None and number > high):
        raise _UnreadError(f"{what} is {number:g}, outside {'' if low is None else f'{low:g}'}..{high or 0:g}")
    if whole and number != int(number):
        raise _UnreadError(f"{what} is {number:g}, which is not whole")
    return number


def _expected(spec: ExpectedReply, logprobs: Mapping[str, float] | None) -> float:
    if not logprobs:
        raise _UnreadError("it came without the probabilities of its first token; ask for 'read: choice' or 'number'")
    mass = dict.fromkeys(spec.options, 0.0)
    words = {_folded(word): word for word in spec.options}
    for token, logprob in logprobs.items():
        if (word := words.get(_folded(token))) is not None:
            mass[word] += math.exp(logprob)
    total = math.fsum(mass.values())
    if total < spec.mass or total == 0:
        raise _UnreadError(f"the words asked for have together the probability {total:.2g}, below {spec.mass:g}")
    return math.fsum(spec.options[word] * share for word, share in mass.items()) / total


def _folded(word: str) -> str:
    # Tokenizers write a space before a word as one of these.
    return word.strip(" \n\t▁Ġ").casefold()


def _choice(spec: ChoiceReply, reply: str) -> float:
    words = sorted(spec.options, key=len, reverse=True)
    either = "|".join(map(re.escape, words))
    found = re.match(rf"{_LEAD}({either})(?!\w)", reply, re.IGNORECASE)
    if found is None:
        raise _UnreadError(f"it does not begin with one of {', '.join(spec.options)}")
    rest = reply[found.end() :].splitlines()[0] if reply[found.end() :].strip() else ""
    if re.match(rf"\s*(?:/|,|or\b|and\b)\s*(?:{either})(?!\w)", rest, re.IGNORECASE):
        raise _UnreadError("it names several of the words")
    return next(value for word, value in spec.options.items() if word.casefold() == found[1].casefold())


def _fields(spec: FieldsReply, reply: str) -> dict[str, float]:
    values = _groups(spec.regex, reply) if spec.regex is not None else _object(reply)
    found = {}
    for name, bounds in spec.fields.items():
        if values.get(name) is None:
            raise _UnreadError(f"{name} is missing")
        value = values[name]
        try:
            number = float(value) if isinstance(value, int | float | str) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if math.isnan(number):
            raise _UnreadError(f"{name} is no number")
        found[name] = _bounded(name, number, bounds.low, bounds.high)
    return found


def _groups(pattern: str, reply: str) -> Mapping[str, Any]:
    import regex

    try:
        found = regex.search(pattern, reply, timeout=REGEX_SECONDS)
    except TimeoutError:
        raise _UnreadError("the regular expression took too long over it") from None
    if found is None:
        raise _UnreadError("the regular expression finds nothing in it")
    return found.groupdict()


def _object(reply: str) -> Mapping[str, Any]:
    fenced = _FENCE.findall(reply)
    text = (fenced[0] if len(fenced) == 1 else reply).strip()
    try:
        start = text.index("{")
        value, end = json.JSONDecoder(parse_constant=_refuse).raw_decode(text, start)
    except (ValueError, RecursionError):
        raise _UnreadError("it holds no JSON object, or one that breaks off") from None
    if "{" in text[end:]:
        raise _UnreadError("it holds several JSON objects")
    return value


def _refuse(name: str) -> None:
    raise ValueError(name)


def _review(reply: str, response: str) -> float:
    values = _object(reply)
    correct, revised = values.get("correct"), values.get("revised")
    if not isinstance(correct, bool) or not isinstance(revised, str | None):
        raise _UnreadError("correct must be true or false, and revised a text or null")
    own = [line for _, block in code_blocks(response) for line in _lines(block)]
    if not own:
        return 0.5 if correct else 0.0
    blocks = code_blocks(revised or "")
    better = [line for _, block in blocks for line in _lines(block)] if blocks else _lines(revised or "")
    same = not better or better == own
    kept = 1.0 if same else 1.0 - edits(own, better) / max(len(own), len(better))
    if correct and same and len(own) > LEAST_LINES:
        return 1.0
    if correct:
        return kept if not same else 0.5
    return 0.5 * kept if not same else 0.0


def _lines(code: str) -> list[str]:
    return [line.rstrip() for line in code.splitlines() if line.strip()]


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the least number of lines to insert, delete or replace that makes b of a (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, mine in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(before + (mine != other), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def _likeness(spec: TextReply, reply: str, response: str) -> float:
    if not reply.strip():
        raise _UnreadError("it is empty")
    if spec.compare == "exact":
        return float(_plain(reply) == _plain(response))
    from collections import Counter

    mine, own = (Counter(re.findall(r"\w+", text.casefold())) for text in (reply, response))
    shared = (mine & own).total()
    return 2 * shared / (mine.total() + own.total()) if shared else 0.0


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")
