"""What one teacher-forced pass says about response tokens: per token and per assistant turn. Pure numpy.

Belongs here: the arrays, how tokens become turns and turns become rows. Not: the model that fills them
(:mod:`datasel_assets.models.causal_lm`), the indicators (:mod:`datasel_assets.indicators.tokens`).

Sums are stored and not means, so that the turns of a row are pooled exactly: every response token of a row has the
same weight, whichever turn it stands in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

NO_RESPONSE = "no response"
EMPTY = "empty response"
UNPREDICTED = "no token has a prediction: the response is one token and the tokenizer has no BOS"
NOT_FINITE = "the model returned NaN or infinity"
TOO_LONG = "longer than the context"
NO_PROMPT = "no prompt to condition on"
NO_WORDS = "the prompt has fewer than two words to drop from"
NO_CHOICES = "no list of answer choices in the prompt"
SEVERAL_LISTS = "several lists of answer choices in the prompt"
NOT_NAMED = "the response names none of the answer choices"
TOO_MANY_CHOICES = "more answer choices than letters"

MOST_CHOICES = 26
"""Choices of a question, at most: one letter each."""

UNSCORED = (TOO_LONG, NO_PROMPT, NO_WORDS, NO_CHOICES, SEVERAL_LISTS, NOT_NAMED, TOO_MANY_CHOICES)
"""Reasons that make the sums of a turn NaN; the others mean that there was nothing to score."""

SUMS = ("sum_logp", "sum_entropy", "sum_top1", "sum_margin", "sum_el2n", "sum_hit")


@dataclass(frozen=True)
class TokenTable:
    """One record for each scored token of m turns; turn i owns ``offsets[i]:offsets[i + 1]``.

    Attributes:
        offsets: (m + 1,) int64.
        token: (t,) int32 id of the token.
        logp: (t,) float32 natural log-probability of the token given all before it.
        entropy: (t,) float32 of the predicted distribution over the vocabulary, in nats.
        top1: (t,) float32 largest probability.
        top2: (t,) float32 second largest probability.
        sum_p2: (t,) float32 sum of squared probabilities.
        el2n: (t,) float32 ``||p - onehot||_2 = sqrt(sum p^2 - 2 p_y + 1)``, computed without its cancellation.
        hit: (t,) bool, whether the token is the argmax (the lowest id among equals).
    """

    offsets: np.ndarray
    token: np.ndarray
    logp: np.ndarray
    entropy: np.ndarray
    top1: np.ndarray
    top2: np.ndarray
    sum_p2: np.ndarray
    el2n: np.ndarray
    hit: np.ndarray

    @property
    def margin(self) -> np.ndarray:
        """(t,) float32 ``top1 - top2``."""
        return self.top1 - self.top2


@dataclass(frozen=True)
class TokenStats:
    """Sums over the scored tokens of each of m assistant turns of n rows, under one context.

    A turn that has nothing to score has ``count`` 0 and sums 0; a turn that could not be scored has NaN sums. Both say
    why in ``reason``.

    Attributes:
        n_rows: n.
        row: (m,) int64 row that the turn belongs to, ascending.
        turn: (m,) int32 ordinal among the assistant turns of the row.
        count: (m,) int64 scored tokens.
        sum_logp: (m,) float64, as all sums.
        sum_entropy: nats.
        sum_top1: largest probability.
        sum_margin: largest minus second largest probability.
        min_margin: (m,) float64 smallest margin, NaN where ``count`` is 0.
        sum_el2n: ``||p - onehot||_2``.
        sum_hit: tokens that are the argmax.
        truncated: (m,) bool, whether tokens of the turn or of its prompt were left out to fit the context.
        reason: (m,) str, empty where the turn was scored.
        tokens: the records behind the sums, where they were kept.
    """

    n_rows: int
    row: np.ndarray
    turn: np.ndarray
    count: np.ndarray
    sum_logp: np.ndarray
    sum_entropy: np.ndarray
    sum_top1: np.ndarray
    sum_margin: np.ndarray
    min_margin: np.ndarray
    sum_el2n: np.ndarray
    sum_hit: np.ndarray
    truncated: np.ndarray
    reason: np.ndarray
    tokens: TokenTable | None = None

    @property
    def nll(self) -> np.ndarray:
        """(m,) mean negative log-likelihood of a token, in nats."""
        return -self._mean("sum_logp")

    @property
    def entropy(self) -> np.ndarray:
        """(m,) mean entropy of the predicted distributions, in nats."""
        return self._mean("sum_entropy")

    @property
    def top1(self) -> np.ndarray:
        """(m,) mean of the largest probability."""
        return self._mean("sum_top1")

    @property
    def margin(self) -> np.ndarray:
        """(m,) mean margin."""
        return self._mean("sum_margin")

    @property
    def el2n(self) -> np.ndarray:
        """(m,) mean EL2N."""
        return self._mean("sum_el2n")

    @property
    def hit_rate(self) -> np.ndarray:
        """(m,) share of the tokens that are the argmax."""
        return self._mean("sum_hit")

    @property
    def n_truncated(self) -> int:
        """Turns that were scored in part or with part of their prompt."""
        return int(self.truncated.sum())

    @property
    def n_skipped(self) -> int:
        """Turns that were not scored because they are longer than the context."""
        return int((self.reason == TOO_LONG).sum())

    @cached_property
    def by_row(self) -> "TokenStats":
        """The same with one entry for each row 0..n-1: all its response tokens pooled.

        Turns with nothing to score do not count; one turn that could not be scored makes its row NaN, because the
        rest would pass for the whole.
        """
        n = self.n_rows
        sums = {name: np.bincount(self.row, getattr(self, name), n) for name in SUMS}
        count = np.bincount(self.row, self.count, n).astype(np.int64)
        failed = np.isnan(sums["sum_logp"])
        smallest = np.full(n, np.inf)
        np.minimum.at(smallest, self.row, np.nan_to_num(self.min_margin, nan=np.inf))
        smallest[failed | (count == 0)] = np.nan
        reason = np.full(n, "", dtype=object)
        reason[count == 0] = NO_RESPONSE
        broken = np.isnan(self.sum_logp)
        for i in np.flatnonzero(self.reason != "")[::-1]:
            row = self.row[i]
            if broken[i] or (count[row] == 0 and not failed[row]):
                reason[row] = self.reason[i]
        return TokenStats(
            n_rows=n,
            row=np.arange(n),
            turn=np.zeros(n, np.int32),
            count=count,
            min_margin=smallest,
            truncated=np.bincount(self.row, self.truncated, n) > 0,
            reason=reason.astype(str),
            tokens=None,
            **sums,
        )

    def columns(self) -> dict[str, np.ndarray]:
        """Return the arrays of the m turns by name, for a table; :meth:`from_columns` reads them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("n_rows", "tokens")}

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray], n_rows: int) -> "TokenStats":
        """Return what :meth:`columns` came from, without the token records."""
        return cls(n_rows=n_rows, tokens=None, **{name: np.asarray(values) for name, values in columns.items()})

    def _mean(self, name: str) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.divide(
                getattr(self, name), self.count, out=np.full(len(self.count), np.nan), where=self.count > 0
            )


def summarise(
    n_rows: int, row: np.ndarray, turn: np.ndarray, truncated: np.ndarray, reason: np.ndarray, tokens: TokenTable
) -> TokenStats:
    """Return the sums over the tokens of each turn.

    Args:
        n_rows: rows that ``row`` counts.
        row: (m,) row of each turn, ascending.
        turn: (m,) its ordinal there.
        truncated: (m,) bool.
        reason: (m,) str: why a turn has no tokens, else empty. Those of :data:`UNSCORED` mean that it could not be
            scored (sums NaN), the others that there was nothing to score (sums 0).
        tokens: the records of the m turns.
    """
    count = np.diff(tokens.offsets)
    margin = tokens.margin
    failed = np.isin(reason, UNSCORED)
    finite = np.isfinite(tokens.logp) & np.isfinite(tokens.entropy) & np.isfinite(margin) & np.isfinite(tokens.el2n)
    broken = _per_turn(np.add, ~finite, tokens.offsets) > 0
    values = {
        "sum_logp": tokens.logp,
        "sum_entropy": tokens.entropy,
        "sum_top1": tokens.top1,
        "sum_margin": margin,
        "sum_el2n": tokens.el2n,
        "sum_hit": tokens.hit,
    }
    sums = {
        name: np.where(failed | broken, np.nan, _per_turn(np.add, np.where(finite, value, 0), tokens.offsets))
        for name, value in values.items()
    }
    smallest = _per_turn(np.minimum, np.where(finite, margin, 0), tokens.offsets)
    return TokenStats(
        n_rows=n_rows,
        row=row.astype(np.int64),
        turn=turn.astype(np.int32),
        count=count,
        min_margin=np.where(failed | broken | (count == 0), np.nan, smallest),
        truncated=truncated,
        reason=np.where(broken, NOT_FINITE, reason).astype(str),
        tokens=tokens,
        **sums,
    )


def concatenate(parts: Sequence[TokenStats]) -> TokenStats:
    """Return the statistics of consecutive blocks of rows as one; token records are left out.

    Raises:
        ValueError: no parts.
    """
    if not parts:
        raise ValueError("no parts to concatenate: give the statistics of at least one block of rows")
    before = np.cumsum([0, *(part.n_rows for part in parts)])
    moved = [
        replace(part, row=part.row + start).columns() for part, start in zip(parts, before[:-1].tolist(), strict=True)
    ]
    joined = {name: np.concatenate([columns[name] for columns in moved]) for name in moved[0]}
    return TokenStats.from_columns(joined, int(before[-1]))


def choice_table(stats: TokenStats) -> np.ndarray:
    """Return (n, P, C) float64 log-probabilities of choice c under prompt p, from turns numbered ``p * 26 + c``.

    Minus infinity where a row has fewer prompts or choices, NaN where one was not scored.
    """
    prompt, choice = np.divmod(stats.turn, MOST_CHOICES)
    shape = stats.n_rows, int(prompt.max(initial=-1)) + 1, int(choice.max(initial=-1)) + 1
    table = np.full(shape, -np.inf)
    table[stats.row, prompt, choice] = np.where(stats.count > 0, stats.sum_logp, np.nan)
    return table


def _per_turn(operation: np.ufunc, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return (m,) float64 reductions of ``values`` (t,) over each turn, 0 for a turn without tokens."""
    result = np.zeros(len(offsets) - 1)
    full = np.flatnonzero(np.diff(offsets))
    if len(full):
        # Turns without tokens take no room, so the starts of the others cut the array exactly.
        result[full] = operation.reduceat(values.astype(np.float64), offsets[full])
    return result
