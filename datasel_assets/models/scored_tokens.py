"""Requests as token ids with the positions that are scored: BOS, boundaries, rows longer than the context. No torch.

A token belongs to a response when it holds one of its characters. Boundaries come from the character offsets of the
tokens of the whole text: tokenising the prompt alone gives other tokens where one spans the boundary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from datasel_assets.indicators.token_table import EMPTY, NO_RESPONSE, TOO_LONG, UNPREDICTED
from datasel_assets.models.contexts import Request
from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.resolve import ModelNotFoundError, ResolvedModel
from datasel_assets.models.tokens import valid_text
from datasel_assets.specs.causal import Overflow

BATCH_ROWS = 1024
RESPONSE_SHARE = 3 / 4

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Scored:
    """Token ids to read, and which of them to score.

    Attributes:
        ids: k arrays of int32, one for each pass.
        positions: k arrays of int64: places in ``ids`` whose token is predicted, each at 1 or later; those of a turn
            are consecutive entries. Answers of one token to one prompt share a pass and its last position.
        slots: k arrays of int64: place of each scored token in the flat arrays of all turns.
        offsets: (m + 1,) int64, turn i owns the slots ``offsets[i]:offsets[i + 1]``.
        row: (m,) int64.
        turn: (m,) int32.
        truncated: (m,) bool.
        reason: (m,) str: why a turn has no scored token, else empty.
        target: (t,) int32 id of each scored token; at a shared position not the one in ``ids``.
        prompts: the tokens of the prompts over the same ``ids``, a turn for each message of the user; None where they
            were not asked for. ``positions`` and ``slots`` of a pass may be empty there.
    """

    ids: list[np.ndarray]
    positions: list[np.ndarray]
    slots: list[np.ndarray]
    offsets: np.ndarray
    row: np.ndarray
    turn: np.ndarray
    truncated: np.ndarray
    reason: np.ndarray
    target: np.ndarray
    prompts: "Scored | None" = None

    @property
    def lengths(self) -> np.ndarray:
        """(k,) int32 tokens of each pass."""
        return np.fromiter((len(ids) for ids in self.ids), np.int32, len(self.ids))


class ScoringTokenizer:
    """The tokenizer of one causal model.

    Attributes:
        tokenizer: the ``transformers`` tokenizer.
        bos_id: put before each text that does not begin with it; None where the tokenizer has none.
        pad_id: an id for padding positions; any will do, because padding stands on the right of a causal model.
    """

    def __init__(self, resolved: ResolvedModel, max_tokens: int, overflow: Overflow) -> None:
        """Load the tokenizer.

        Args:
            resolved: the model.
            max_tokens: length of the context, BOS included.
            overflow: what happens to a turn that does not fit together with all before it. ``skip`` does not score
                it. ``truncate`` keeps the first and the last tokens of its prompt and of itself, as :func:`cut` says.

        Raises:
            ModelNotFoundError: the model has no fast tokenizer.
        """
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(resolved.path, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ModelNotFoundError(
                f"{resolved.path}: the tokenizer is the slow {type(tokenizer).__name__}; a tokenizer.json is needed"
            )
        self.tokenizer = tokenizer
        self.bos_id: int | None = tokenizer.bos_token_id
        candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self.pad_id: int = next(token for token in candidates if token is not None)
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()
        self._encoder = TextEncoder(self._backend)
        self._max_tokens = max_tokens
        self._overflow: Overflow = overflow

    def score(self, requests: Sequence[Request], *, prompts: bool = False) -> Scored:
        """Return the tokens of ``requests``, those of their prompts as well where ``prompts`` asks for them."""
        build = _Builder(prompts)
        for start in range(0, len(requests), BATCH_ROWS):
            block = requests[start : start + BATCH_ROWS]
            texts = ["" if request.reason else valid_text(request.text) for request in block]
            hidden = self._hidden_lengths(block)
            for request, encoding, reserved in zip(
                block, self._encoder.encode(texts, offsets=True), hidden, strict=True
            ):
                if request.reason:
                    for turn in request.turns:
                        build.nothing(request.row, turn, request.reason)
                else:
                    self._add(build, request, encoding, reserved)
        return build.done()

    def _hidden_lengths(self, requests: Sequence[Request]) -> list[int]:
        """Return the tokens of each hidden prompt; 0 where no response can be long enough to be cut for it."""
        lengths = [0] * len(requests)
        texts = {i: valid_text(request.hidden) for i, request in enumerate(requests) if request.hidden}
        # A token holds at least one byte, so a text of few bytes fits without being counted.
        long = [
            i
            for i, text in texts.items()
            if len(valid_text(requests[i].text).encode()) + len(text.encode()) >= self._max_tokens
        ]
        encodings = self._encoder.encode([texts[i] for i in long])
        for i, encoding in zip(long, encodings, strict=True):
            lengths[i] = len(encoding)
        return lengths

    def _add(self, build: "_Builder", request: Request, encoding: Any, hidden: int) -> None:
        ids = np.array(encoding.ids, np.int32)
        offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
        if self.bos_id is not None and (len(ids) == 0 or ids[0] != self.bos_id):
            ids = np.concatenate([np.array([self.bos_id], np.int32), ids])
            offsets = np.concatenate([np.zeros((1, 2), np.int64), offsets])
        owned = [_tokens_of(offsets, span) for span in request.spans]
        ends = [int(tokens[-1]) + 1 if len(tokens) else 0 for tokens in owned]
        # All turns that fit share one pass, each later one takes a pass of its own.
        fitting = [end for end in ends if end + hidden <= self._max_tokens]
        limit = max(fitting, default=0)
        build.start(ids[:limit])
        asked = _Prompts(offsets, request.prompts if build.prompts is not None else ())
        asked.read(build, np.arange(limit))
        for turn, tokens, end in zip(request.turns, owned, ends, strict=True):
            if not len(tokens) or end in fitting:
                self._turn(build, request.row, turn, tokens, tokens, False)
            elif self._overflow == "skip":
                build.nothing(request.row, turn, TOO_LONG)
            else:
                kept = cut(int(tokens[0]), len(tokens), hidden, self._max_tokens)
                build.start(ids[kept])
                asked.read(build, kept)
                # The token after a gap in the response would be predicted from the wrong neighbour.
                real = np.flatnonzero(np.diff(kept, prepend=-1) == 1)
                self._turn(build, request.row, turn, tokens, real[kept[real] >= tokens[0]], True)
        asked.hand_over(build, request.row, TOO_LONG if any(map(len, owned)) else NO_RESPONSE)

    def _turn(
        self, build: "_Builder", row: int, turn: int, tokens: np.ndarray, scored: np.ndarray, truncated: bool
    ) -> None:
        predicted = scored[scored > 0]
        if len(predicted):
            build.turn(row, turn, predicted, truncated)
        else:
            build.nothing(row, turn, UNPREDICTED if len(tokens) else EMPTY)


def cut(prompt: int, response: int, hidden: int, limit: int) -> np.ndarray:
    """Return which of ``prompt + response`` tokens are kept in a context of ``limit`` tokens.

    The response keeps what the prompt leaves, or three quarters of the context where that is more; the prompt keeps the
    rest. Either is cut in its middle, so that its first and its last tokens stay.

    >>> cut(6, 4, 0, 8).tolist()
    [0, 1, 4, 5, 6, 7, 8, 9]

    Args:
        prompt: tokens before the response, BOS included.
        response: tokens of the response.
        hidden: tokens that take room in the context but are not read.
        limit: length of the context.
    """
    room = max(limit - prompt - hidden, int(RESPONSE_SHARE * limit), 1)
    kept_response = min(response, room)
    kept_prompt = min(prompt, limit - kept_response)
    return np.concatenate([_ends(0, prompt, kept_prompt), _ends(prompt, response, kept_response)])


def _ends(start: int, length: int, kept: int) -> np.ndarray:
    """Return ``kept`` of the indices ``start .. start + length``: the first half of them and the last."""
    head = (kept + 1) // 2
    return np.concatenate([np.arange(start, start + head), np.arange(start + length - (kept - head), start + length)])


def _tokens_of(offsets: np.ndarray, span: tuple[int, int]) -> np.ndarray:
    """Return the indices of the tokens that hold a character of ``span``.

    Some tokenizers trim white space from the offsets, which leaves a token of white space alone with no characters: it
    counts where it ends.
    """
    start, end = offsets.T
    overlaps = (end > span[0]) & (start < span[1])
    trimmed = (start == end) & (end > span[0]) & (end <= span[1])
    return np.flatnonzero((overlaps | trimmed) & (span[1] > span[0]))


class _Prompts:
    """Where the user's messages of one request are scored: in the first of its passes that reads to their end."""

    def __init__(self, offsets: np.ndarray, spans: Sequence[tuple[int, int]]) -> None:
        self._tokens = [_tokens_of(offsets, span) for span in spans]
        self._found: list[tuple[int, np.ndarray, bool] | None] = [None] * len(spans)

    def read(self, build: "_Builder", kept: np.ndarray) -> None:
        """Take note of what the pass that began last reads: the tokens ``kept`` of the request."""
        for turn, tokens in enumerate(self._tokens):
            if self._found[turn] is None and len(tokens) and len(kept) and tokens[-1] <= kept[-1]:
                inside = np.isin(kept, tokens)
                # The token after a gap would be predicted from the wrong neighbour.
                positions = np.flatnonzero(inside & (np.diff(kept, prepend=-1) == 1))
                self._found[turn] = build.passes - 1, positions[positions > 0], int(inside.sum()) < len(tokens)

    def hand_over(self, build: "_Builder", row: int, unread: str) -> None:
        """Give every message to ``build``; ``unread`` says why no pass reads the others."""
        for turn, (tokens, found) in enumerate(zip(self._tokens, self._found, strict=True)):
            assert build.prompts is not None, "messages are looked for where they are asked for"
            if found is not None and len(found[1]):
                build.prompts.turn(row, turn, found[1], found[2], found[0])
            else:
                missing = unread if found is None else TOO_LONG if found[2] else UNPREDICTED
                build.prompts.nothing(row, turn, missing if len(tokens) else EMPTY)


class _Builder:
    """Collects passes and turns in the order of the requests.

    Args:
        prompts: whether another one, ``prompts``, collects what is scored of the prompts in the same passes.
    """

    def __init__(self, prompts: bool = False) -> None:
        self._ids: list[np.ndarray] = []
        self._positions: list[list[np.ndarray]] = []
        self._slots: list[list[np.ndarray]] = []
        self._targets: list[np.ndarray] = []
        self._counts: list[int] = []
        self._turns: list[tuple[int, int, bool, str]] = []
        self._filled = 0
        self.prompts: _Builder | None = None
        if prompts:
            self.prompts = _Builder()
            self.prompts._ids = self._ids

    @property
    def passes(self) -> int:
        """How many passes were begun."""
        return len(self._ids)

    def start(self, ids: np.ndarray) -> None:
        """Begin a pass over ``ids``."""
        self._ids.append(ids)
        for builder in (self, self.prompts):
            if builder is not None:
                builder._positions.append([])
                builder._slots.append([])

    def turn(self, row: int, turn: int, positions: np.ndarray, truncated: bool, number: int = -1) -> None:
        """Score ``positions`` of a pass, by default of the current one, as one turn."""
        self._positions[number].append(positions)
        self._slots[number].append(np.arange(self._filled, self._filled + len(positions)))
        self._targets.append(self._ids[number][positions])
        self._filled += len(positions)
        self._counts.append(len(positions))
        self._turns.append((row, turn, truncated, ""))

    def nothing(self, row: int, turn: int, reason: str) -> None:
        """Note a turn without scored tokens."""
        self._counts.append(0)
        self._turns.append((row, turn, False, reason))

    def done(self) -> Scored:
        """Return everything; passes without scored tokens are left out, those that differ in the answer are one."""
        read: list[int] = []
        shared: dict[bytes, int] = {}
        for i, positions in enumerate(self._positions):
            if len(positions) == 1 and positions[0].tolist() == [len(self._ids[i]) - 1]:
                first = shared.setdefault(self._ids[i][:-1].tobytes(), i)
                if first != i:
                    for builder in (self, self.prompts):
                        if builder is not None:
                            builder._positions[first] += builder._positions[i]
                            builder._slots[first] += builder._slots[i]
                    continue
            if positions:
                read.append(i)
        made = self._scored(read)
        return made if self.prompts is None else replace(made, prompts=self.prompts._scored(read))

    def _scored(self, read: list[int]) -> Scored:
        row, turn, truncated, reason = zip(*self._turns, strict=True) if self._turns else ((), (), (), ())
        return Scored(
            ids=[self._ids[i] for i in read],
            positions=[np.concatenate([_NONE, *self._positions[i]]) for i in read],
            slots=[np.concatenate([_NONE, *self._slots[i]]) for i in read],
            offsets=np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64),
            row=np.array(row, np.int64),
            turn=np.array(turn, np.int32),
            truncated=np.array(truncated, bool),
            reason=np.array(reason, dtype=str),
            target=np.concatenate([np.empty(0, np.int32), *self._targets]),
        )
