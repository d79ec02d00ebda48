"""Multiple-choice questions among conversations, and the context of CAPE: their choices in several orders.

Belongs here: which rows are multiple choice, by a strict reading of their text, and what the model reads for them. Not:
the score (:func:`datasel_assets.indicators.tokens.cape`), contexts of all rows
(:mod:`~datasel_assets.models.contexts`).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np

from datasel_assets.indicators.token_table import MOST_CHOICES, NO_CHOICES, NOT_NAMED, SEVERAL_LISTS, TOO_MANY_CHOICES
from datasel_assets.models.contexts import Conversation, Request, Requests
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.render import Message

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:MOST_CHOICES]
ORDERS = 4

LETTERED = re.compile(r"\s*(?:[-*•]\s+)?\(?([A-Z])\s?[).:]\s+(\S.*)")
BULLET = re.compile(r"\s*[-*•]\s+(\S.*)")
HEADING = re.compile(r"(?:.*\b)?(?:options|choices|answers)\s*:\s*", re.IGNORECASE)
INLINE = re.compile(r"\(([A-Z])\)\s+")
ANSWER_CUE = re.compile(r"(?:a|answer)\s*:?", re.IGNORECASE)
END_MARK = re.compile(r"\s*(?:<\|[^<>|]*\|>|</s>)\s*$")
LEAD = re.compile(r"(?:the )?(?:correct |best |right )?(?:answer|choice|option)(?: is)?\s*:?\s*", re.IGNORECASE)
NAMED = re.compile(r"\(?([A-Z])(?:\s?[).:]+\s*(.*))?")


@dataclass(frozen=True)
class MultipleChoice:
    """A question with its answers.

    Attributes:
        questions: the question without its choices, in one or more wordings.
        choices: the answers, at most 26.
        before: the messages before the question.
    """

    questions: tuple[str, ...]
    choices: tuple[str, ...]
    before: tuple[Message, ...] = ()


def read_choices(messages: Conversation) -> MultipleChoice | str:
    """Return the multiple-choice question that a conversation ends with, or why it does not.

    The question is the last user message, the answer the first line of the assistant message after it. Choices are, in
    one list of two or more with nothing but blank lines between:

    - lines lettered from ``A`` on, as ``A) x``, ``(A) x``, ``A. x`` or ``A: x``, with or without a dash before;
    - ``(A) x (B) y`` in one line;
    - lines with a dash, asterisk or bullet after a line that ends in ``options:``, ``choices:`` or ``answers:``.

    The answer must name one of them: by its letter (not for bullets), by its letter and its text, or by its text, up to
    case, white space and a full stop; ``The answer is`` may stand before. Lists separated by commas are not read: a
    comma may belong to a choice.

    >>> found = read_choices([
    ...     {"role": "user", "content": "Which is hot? (A) ice (B) fire"},
    ...     {"role": "assistant", "content": "B"},
    ... ])
    >>> found.questions, found.choices
    (('Which is hot?',), ('ice', 'fire'))
    """
    if len(messages) < 2 or [message["role"] for message in messages[-2:]] != ["user", "assistant"]:
        return NO_CHOICES
    lists = _lists(messages[-2]["content"].splitlines())
    if len(lists) != 1:
        return SEVERAL_LISTS if lists else NO_CHOICES
    question, choices, lettered = lists[0]
    if len(set(map(_folded, choices))) < len(choices):
        return NO_CHOICES
    if len(choices) > MOST_CHOICES:
        return TOO_MANY_CHOICES
    if not _names_one(messages[-1]["content"], choices, lettered):
        return NOT_NAMED
    return MultipleChoice((question,), choices, tuple(messages[:-2]))


def multiple_choice(
    rows: Sequence[MultipleChoice | str], renderer: DialogueRenderer, *, orders: int = ORDERS, seed: int = 0
) -> Requests:
    """Return the requests for CAPE: each letter as the answer to each prompt.

    A prompt is one wording with the choices in one order, lettered. Orders are drawn without repetition from a hash of
    the seed and the choices, the given order first: a row costs ``orders * C`` passes over its prompt. Request
    ``prompt * 26 + choice`` of a row is its turn of that number, as
    :func:`datasel_assets.indicators.token_table.choice_table` reads it.

    Args:
        rows: questions, or why a row is none.
        renderer: of the conditioned context.
        orders: at most this many orders of the choices.
        seed: of the orders.
    """
    items, fallbacks = [], 0
    for row, question in enumerate(rows):
        if isinstance(question, str):
            items.append(Request(row, (0,), "", (), question))
            continue
        prompts = [
            (wording, order) for order in _orders(question.choices, orders, seed) for wording in question.questions
        ]
        fallback = False
        for prompt, (wording, order) in enumerate(prompts):
            lines = "\n".join(f"{letter}. {question.choices[c]}" for letter, c in zip(LETTERS, order, strict=False))
            user = {"role": "user", "content": f"{wording}\n{lines}\nAnswer with one letter."}
            for letter, choice in sorted(zip(LETTERS, order, strict=False), key=lambda pair: pair[1]):
                dialogue = renderer.render([*question.before, user, {"role": "assistant", "content": letter}])
                fallback |= dialogue.fallback
                items.append(Request(row, (prompt * MOST_CHOICES + choice,), dialogue.text, (dialogue.spans[-1],)))
        fallbacks += fallback
    return Requests(len(rows), tuple(items), fallbacks)


def _lists(lines: list[str]) -> list[tuple[str, tuple[str, ...], bool]]:
    """Return each list of choices as (text without it, choices, whether they have letters)."""
    found = []
    at = 0
    while at < len(lines):
        lettered = _run(lines, at, LETTERED, in_order=True)
        if lettered:
            end, choices = lettered
            found.append((_question(lines[:at] + lines[end:]), choices, True))
            at = end
            continue
        inline = _inline(lines[at])
        if inline:
            before, choices = inline
            found.append((_question([*lines[:at], before, *lines[at + 1 :]]), choices, True))
        elif HEADING.fullmatch(lines[at]):
            first = next((i for i in range(at + 1, len(lines)) if lines[i].strip()), len(lines))
            bullets = None if _run(lines, first, LETTERED, in_order=True) else _run(lines, first, BULLET)
            if bullets:
                end, choices = bullets
                found.append((_question(lines[: at + 1] + lines[end:]), choices, False))
                at = end
                continue
        at += 1
    return found


def _run(
    lines: list[str], start: int, pattern: re.Pattern[str], *, in_order: bool = False
) -> tuple[int, tuple[str, ...]] | None:
    """Return where the list that begins at ``start`` ends, and its two or more choices."""
    choices: list[str] = []
    end = start
    for i in range(start, len(lines)):
        if not lines[i].strip():
            if not choices:
                return None
            continue
        match = pattern.fullmatch(lines[i])
        if match is None or (in_order and match[1] != LETTERS[len(choices) : len(choices) + 1]):
            break
        choices.append(match[match.re.groups].strip())
        end = i + 1
    return (end, tuple(choices)) if len(choices) > 1 else None


def _inline(line: str) -> tuple[str, tuple[str, ...]] | None:
    marks = list(INLINE.finditer(line))
    if len(marks) < 2 or "".join(mark[1] for mark in marks) != LETTERS[: len(marks)]:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(line)]
    choices = tuple(line[mark.end() : end].strip(" \t,;") for mark, end in zip(marks, ends, strict=True))
    return (line[: marks[0].start()].rstrip(), choices) if all(choices) else None


def _question(lines: list[str]) -> str:
    """Return the text around the list, without a cue for the answer at its end."""
    kept = [line for line in "\n".join(lines).strip().splitlines() if line.strip()]
    if kept and ANSWER_CUE.fullmatch(kept[-1].strip()):
        kept.pop()
    return "\n".join(kept)


def _names_one(answer: str, choices: Sequence[str], lettered: bool) -> bool:
    first = END_MARK.sub("", answer).strip().partition("\n")[0].strip()
    texts = [_folded(choice) for choice in choices]
    for text in (first, LEAD.sub("", first, count=1) if LEAD.match(first) else first):
        if _folded(text) in texts:
            return True
        match = NAMED.fullmatch(text)
        if lettered and match and match[1] in LETTERS[: len(choices)]:
            rest = _folded(match[2] or "")
            if not rest or rest == texts[LETTERS.index(match[1])]:
                return True
    return False


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")


def _orders(choices: Sequence[str], count: int, seed: int) -> list[tuple[int, ...]]:
    n = len(choices)
    if n > MOST_CHOICES:
        raise ValueError(f"a question has {n} choices, but there are letters for {MOST_CHOICES} only")
    state = hashlib.blake2b("\0".join([str(seed), *choices]).encode("utf-8", "replace"), digest_size=8)
    generator = np.random.default_rng(int.from_bytes(state.digest(), "big"))
    found: dict[tuple[int, ...], None] = {tuple(range(n)): None}
    while len(found) < min(count, factorial(n)):
        found.setdefault(tuple(generator.permutation(n).tolist()))
    return list(found)
