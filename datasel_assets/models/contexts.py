"""Contexts in which a language model reads a response: with its prompt, without, with words of the prompt dropped.

Belongs here: which text is read and which characters of it are scored. Not: tokens, the model. A context that changes
the model and not the text (subnets, checkpoints) is made by :mod:`datasel_assets.models.causal_lm`, that of multiple
choice by :mod:`datasel_assets.models.choices`.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datasel_assets.indicators.token_table import EMPTY, NO_PROMPT, NO_WORDS
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.render import Message

Conversation = Sequence[Message]
Form = Literal["bare", "header"]

DROP_SHARE = 0.2
COPIES = 20
# Han, kana, Thai, Lao, Khmer, Burmese: written without spaces between words, so each character counts as a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


@dataclass(frozen=True)
class Request:
    """One text to read and the parts of it to score.

    Attributes:
        row: index of the row.
        turns: ordinals of the assistant turns in the row, one for each span.
        text: what the model reads, after BOS where the tokenizer has one.
        spans: characters ``[start, end)`` of each turn, ascending.
        reason: why nothing is scored, else empty; ``text`` is not read then.
        hidden: text that is not read but takes its room in the context, so that the same tokens of a long response are
            scored with and without the prompt.
        prompts: characters ``[start, end)`` of the user's messages before the last of the turns, ascending: what can be
            scored of the prompt in the same passes.
    """

    row: int
    turns: tuple[int, ...]
    text: str
    spans: tuple[tuple[int, int], ...]
    reason: str = ""
    hidden: str = ""
    prompts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Requests:
    """The requests of one context for n rows.

    Attributes:
        n_rows: n.
        items: ascending by row.
        fallbacks: rows that the chat template refused and that are written in the alpaca format.
    """

    n_rows: int
    items: tuple[Request, ...]
    fallbacks: int = 0


def conditioned(conversations: Sequence[Conversation], renderer: DialogueRenderer) -> Requests:
    """Return each conversation as a whole; each assistant turn is scored given all that comes before it."""
    items, fallbacks = [], 0
    for row, messages in enumerate(conversations):
        dialogue = renderer.render(messages)
        fallbacks += dialogue.fallback
        turns = _assistant(messages)
        if turns:
            spans = tuple(dialogue.spans[i] for i in turns)
            asked = tuple(dialogue.spans[i] for i in range(turns[-1]) if messages[i]["role"] == "user")
            items.append(Request(row, tuple(range(len(turns))), dialogue.text, spans, prompts=asked))
    return Requests(len(conversations), tuple(items), fallbacks)


def unconditioned(conversations: Sequence[Conversation], renderer: DialogueRenderer, form: Form) -> Requests:
    """Return each assistant turn alone.

    Args:
        conversations: n conversations.
        renderer: of the conditioned context.
        form: ``bare`` is the response and nothing else (Superfiltering); ``header`` puts the header of the assistant
            turn before it, such as ``### Response:`` (Cherry LLM).
    """
    items, fallbacks = [], 0
    header = renderer.header if form == "header" else ""
    for row, messages in enumerate(conversations):
        turns = _assistant(messages)
        dialogue = renderer.render(messages) if turns else None
        for turn, i in enumerate(turns):
            assert dialogue is not None
            fallbacks += dialogue.fallback and turn == 0
            start, end = dialogue.spans[i]
            prompted = any(message["content"].strip() for message in messages[:i])
            if not prompted or start == end:
                items.append(Request(row, (turn,), "", (), EMPTY if start == end else NO_PROMPT))
                continue
            span = (len(header), len(header) + end - start)
            hidden = dialogue.text[: max(0, start - len(header))]
            items.append(Request(row, (turn,), header + dialogue.text[start:end], (span,), hidden=hidden))
    return Requests(len(conversations), tuple(items), fallbacks)


def perturbed(
    conversations: Sequence[Conversation],
    renderer: DialogueRenderer,
    *,
    copies: int = COPIES,
    share: float = DROP_SHARE,
    seed: int = 0,
) -> Iterator[Requests]:
    """Yield ``copies`` times the conditioned context with words of the user's messages dropped.

    Of w words, ``max(1, round(share * w))`` are dropped, drawn from a hash of the seed, the copy and the prompt: the
    same prompt loses the same words in every run, whatever rows stand beside it. In scripts without spaces a character
    is a word. Other messages stay as they are. After Kung et al. 2023 (20 copies, a fifth of the words).
    """
    for copy in range(copies):
        items, fallbacks = [], 0
        for row, messages in enumerate(conversations):
            turns = _assistant(messages)
            if not turns:
                continue
            reduced = drop_words(messages, share, f"{seed}:{copy}")
            if reduced is None:
                items += [Request(row, (turn,), "", (), NO_WORDS) for turn in range(len(turns))]
                continue
            dialogue = renderer.render(reduced)
            fallbacks += dialogue.fallback
            spans = tuple(dialogue.spans[i] for i in turns)
            items.append(Request(row, tuple(range(len(turns))), dialogue.text, spans))
        yield Requests(len(conversations), tuple(items), fallbacks)


def drop_words(messages: Conversation, share: float, seed: str) -> list[Message] | None:
    """Return ``messages`` with a share of the words of the user dropped, at least one; None where they have under two.

    >>> drop_words([{"role": "user", "content": "one two"}], 0.2, "0")
    [{'role': 'user', 'content': 'one'}]
    """
    words = [
        (i, found.span())
        for i, message in enumerate(messages)
        if message["role"] == "user"
        for found in WORD.finditer(message["content"])
    ]
    if len(words) < 2:
        return None
    state = hashlib.blake2b(seed.encode(), digest_size=8)
    for i, (start, end) in words:
        state.update(messages[i]["content"][start:end].encode("utf-8", "replace") + b"\0")
    generator = np.random.default_rng(int.from_bytes(state.digest(), "big"))
    count = min(len(words) - 1, max(1, round(share * len(words))))
    dropped: dict[int, list[tuple[int, int]]] = {}
    for index in sorted(generator.choice(len(words), count, replace=False).tolist()):
        i, span = words[index]
        dropped.setdefault(i, []).append(span)
    return [
        {"role": message["role"], "content": _without(message["content"], dropped.get(i, []))}
        for i, message in enumerate(messages)
    ]


def _assistant(messages: Conversation) -> list[int]:
    return [i for i, message in enumerate(messages) if message["role"] == "assistant"]


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return ``text`` without ``spans`` and without the white space that stood before each of them."""
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start].rstrip())
        at = end
    parts.append(text[at:])
    return "".join(parts).strip() if spans else text
