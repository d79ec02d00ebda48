"""Rows as what a training reads: token ids, and which of them are learned. No torch.

Belongs here: from conversations to texts with targets. Does not: how texts share a batch (``layout``), tokenising
(:mod:`datasel_assets.models.scored_tokens`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datasel_assets.models.contexts import Conversation, Request, conditioned
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.scored_tokens import Scored, ScoringTokenizer


@dataclass(frozen=True, eq=False)
class Text:
    """One text of a row; a row that is longer than the context has several.

    Attributes:
        row: index of the row.
        ids: (T,) int32 that the model reads.
        positions: (p,) int64 places whose token is learned, each at 1 or later.
        targets: (p,) int64 the tokens there.
        turns: (p,) int32 the assistant's turn that each belongs to.
    """

    row: int
    ids: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    turns: np.ndarray


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of n rows.

    Attributes:
        of_row: n lists; empty for a row with nothing to learn.
        tokens: (n,) int64 tokens that are learned.
        lengths: (n,) int64 tokens that are read.
        fallbacks: rows that the chat template refused and that are written in the alpaca format.
    """

    of_row: list[list[Text]]
    tokens: np.ndarray
    lengths: np.ndarray
    fallbacks: int


def texts_of(conversations: Sequence[Conversation], renderer: DialogueRenderer, tokenizer: ScoringTokenizer) -> Texts:
    """Return the texts of conversations: what the assistant says is learned, with the mark that ends its turn."""
    requests = conditioned(conversations, renderer)
    marks = _marks(tokenizer.tokenizer)
    items = [_with_ends(request, marks) for request in requests.items]
    return read_texts(items, len(conversations), tokenizer, requests.fallbacks)


def read_texts(items: Sequence[Request], n: int, tokenizer: ScoringTokenizer, fallbacks: int = 0) -> Texts:
    """Return requests of ``n`` rows as what a model reads; what their spans hold is learned, or scored."""
    found: list[list[Text]] = [[] for _ in range(n)]
    for text in _by_row(tokenizer.score(items)):
        found[text.row].append(text)
    tokens = np.array([sum(len(text.positions) for text in texts) for texts in found], np.int64)
    lengths = np.array([sum(len(text.ids) for text in texts) for texts in found], np.int64)
    return Texts(found, tokens, lengths, fallbacks)


def _marks(tokenizer: Any) -> tuple[str, ...]:
    """Return the control tokens of a tokenizer as text, longest first."""
    return tuple(sorted(map(str, tokenizer.all_special_tokens), key=lambda mark: (-len(mark), mark)))


def _with_ends(request: Request, marks: Sequence[str]) -> Request:
    """Return a request whose spans take in the control token that the template writes after a turn."""
    spans = []
    for start, end in request.spans:
        mark = next((mark for mark in marks if start < end and request.text.startswith(mark, end)), "")
        spans.append((start, end + len(mark)))
    return replace(request, spans=tuple(spans))


def _by_row(scored: Scored) -> list[Text]:
    """Return the passes, each once for every row that learns from it: answers of one token to one prompt share one."""
    turn = np.repeat(np.arange(len(scored.row)), np.diff(scored.offsets))
    found = []
    for ids, positions, slots in zip(scored.ids, scored.positions, scored.slots, strict=True):
        owners = scored.row[turn[slots]]
        for row in np.unique(owners):
            own = owners == row
            targets = scored.target[slots[own]].astype(np.int64)
            found.append(Text(int(row), ids, positions[own], targets, scored.turn[turn[slots[own]]]))
    return found
