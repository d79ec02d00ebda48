"""The sampler contract: what every sampler is given, keeps to and returns.

Belongs here: the contract and ``Sample``, its result. Does not: the pool that is chosen from (``candidates``,
``arrays.vectors``), any selection rule (one file each), scores, files, Dagster.

The contract, for every sampler of this folder (``datasel_assets_tests/samplers/test_contract.py`` checks each line):

- it returns exactly ``min(budget, usable rows)`` distinct rows, as an ORDER: a smaller budget gives a prefix (but for
  samplers whose ``Params`` say ``prefix = False``: there every budget has a subset of its own);
- a row that is not ``eligible`` is never chosen, nor is one whose score is NaN, whose vector is zero or not finite, or
  that has no group, when the sampler needs a score, vector or group; NaN is never read as minus infinity;
- ties are broken by ``row_id``, so permuting the rows permutes the result and the file layout never matters;
- randomness comes only from ``seed``;
- budget 0, a budget beyond the pool, one row, duplicate rows and constant scores or vectors all work.

A sampler is a module with

- ``Params``: a ``StrictModel``, the keys that YAML may set;
- ``REQUIRES``: which parts of ``Candidates`` it reads: ``scores``, ``groups``, ``vectors``, ``queries``, ``tags``,
  ``label_graph`` and ``texts``;
- ``RANKS_ALL``: whether ordering the whole pool costs about as much as ordering the budget;
- ``sample(candidates, budget, params, seed) -> Sample``.

``Params`` may have properties that say more than the module does: ``requires`` and ``ranks_all`` where these depend on
the parameters, ``weighted`` where the rows come with weights, ``may_fall_short`` where fewer rows than the budget may
come back although more are usable.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from datasel_assets.samplers.candidates import Candidates


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows a sampler chose, best first.

    Attributes:
        order: (b,) int64 positions in the candidates.
        scores: (b,) float32: what each row was chosen for (length, similarity, distance); NaN where there is none.
        selected_for: (b,) int32: the query whose turn took the row; -1 where there is none.
        weights: (b,) float32 training weights, or None for equal weights.
        row_scores: (n,) float32: for the rows that were NOT chosen, the number to hold against ``scores``; None where
            the method has none at hand.
        notes: what the reader of the result should know, in sentences.
    """

    order: np.ndarray
    scores: np.ndarray
    selected_for: np.ndarray
    weights: np.ndarray | None = None
    row_scores: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        order: np.ndarray,
        scores: np.ndarray | None = None,
        selected_for: np.ndarray | None = None,
        row_scores: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        notes: tuple[str, ...] = (),
    ) -> "Sample":
        """Build a sample with the contract's types, filling what the method does not have."""
        b = len(order)
        return cls(
            order=np.asarray(order, dtype=np.int64),
            scores=np.full(b, np.nan, np.float32) if scores is None else np.asarray(scores, dtype=np.float32),
            selected_for=np.full(b, -1, np.int32) if selected_for is None else selected_for.astype(np.int32),
            weights=None if weights is None else np.asarray(weights, dtype=np.float32),
            row_scores=row_scores,
            notes=notes,
        )

    def head(self, budget: int) -> "Sample":
        """Return the first ``budget`` rows: by the prefix rule, what the sampler gives for that smaller budget."""
        return Sample(
            order=self.order[:budget],
            scores=self.scores[:budget],
            selected_for=self.selected_for[:budget],
            weights=None if self.weights is None else self.weights[:budget],
            notes=self.notes,
        )


class SamplerModule(Protocol):
    """What a module of this folder offers; the registry ``SAMPLERS`` holds these."""

    @property
    def Params(self) -> Any:
        """The model of the keys that YAML may set."""
        ...

    @property
    def REQUIRES(self) -> frozenset[str]:
        """Parts of ``Candidates`` that are read."""
        ...

    @property
    def RANKS_ALL(self) -> bool:
        """Whether ordering the whole pool costs about as much as ordering the budget."""
        ...

    def sample(self, candidates: Candidates, budget: int, params: Any, seed: int) -> Sample:
        """Choose and order ``min(budget, usable)`` rows."""
        ...


def check_budget(budget: int) -> int:
    """Return ``budget``.

    Raises:
        ValueError: it is negative.
    """
    if budget < 0:
        raise ValueError(f"budget must be 0 or more rows, got {budget}")
    return int(budget)
