"""A sampler again and again over what it has left: bins of rows, the first ones the most sought after.

Belongs here: taking rows out and going on with the rest, and how the bins come together. Does not: what is taken out
(any sampler of ``names.INNER``).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, usable_rows
from datasel_assets.samplers.names import INNER
from datasel_assets.samplers.quotas import take_turns
from datasel_assets.samplers.stratify import Inner
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset()
RANKS_ALL = False
WORDING = Wording(by_score=False)


class Params(StrictModel, frozen=True):
    """How many bins, what fills them, and how rows are drawn from them.

    Attributes:
        rounds: bins of equal size; the last one holds the rows that are left over.
        draw: ``equal``: the bins take turns, each giving its rows in random order (by seed), as in Dataset
            Quantization; ``in_order``: the bins one after the other, as they were filled.
        inner: the sampler that fills a bin from the rows that are left.
    """

    rounds: Annotated[int, Field(ge=2, le=1000)] = 10
    draw: Literal["equal", "in_order"] = "equal"
    inner: Inner

    @model_validator(mode="after")
    def _no_weights(self) -> "Params":
        if getattr(self.inner.params, "weighted", False):
            raise ValueError(
                f"inner: the weights of {self.inner.sampler} belong to the rows of one bin, of which only some are "
                "drawn: leave 'weights' and 'replace' out"
            )
        return self

    @property
    def ranks_all(self) -> bool:
        """Every call fills all bins, whatever the budget."""
        return True


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Fill the bins, then draw from them.

    Dataset Quantization (arXiv 2308.10524; survey, errata): K bins of floor(n / K) rows, each chosen by graph cut from
    the rows that earlier bins left, then as many rows from each bin, uniformly. Here the n mod K rows that the authors'
    code loses fall to the last bin.

    Args:
        candidates: what the inner sampler needs.
        budget: number of rows. Bins do not depend on it, so a smaller budget is a prefix.
        params: bins and draw.
        seed: of the draw, and passed to the inner sampler.

    Returns:
        The order; ``scores`` are the inner sampler's in the row's bin. Rows that the inner sampler leaves out of every
        bin come last, by row_id. Time: ``rounds`` orders of n / ``rounds`` rows each.
    """
    budget = check_budget(budget)
    inner, own = INNER[params.inner.sampler], params.inner.params
    left = np.flatnonzero(usable_rows(candidates, getattr(own, "requires", inner.REQUIRES)))
    size = max(1, len(left) // params.rounds)
    bins, scores = [], []
    notes: list[str] = []
    for number in range(params.rounds):
        if len(left) == 0:
            break
        wanted = len(left) if number == params.rounds - 1 else size
        found = inner.sample(candidates.subset(left), wanted, own, seed)
        if len(found.order) == 0:
            break
        bins.append(left[found.order])
        scores.append(found.scores)
        notes += [f"bin {number + 1}: {note}" for note in found.notes]
        left = np.delete(left, found.order)
    if len(left):
        bins.append(left[np.argsort(candidates.ties[left])])
        scores.append(np.full(len(left), np.nan, np.float32))
    if not bins:
        return Sample.of(np.empty(0, np.int64))
    score_of = np.full(candidates.n, np.nan, dtype=np.float32)
    score_of[np.concatenate(bins)] = np.concatenate(scores)
    order = np.concatenate(bins) if params.draw == "in_order" else _in_turn(candidates, bins, budget, seed)
    order = order[:budget]
    return Sample.of(order, scores=score_of[order], notes=tuple(notes))


def _in_turn(candidates: Candidates, bins: list[np.ndarray], budget: int, seed: int) -> np.ndarray:
    """Return the rows as the bins give them in turn, each bin in random order."""
    mixed = [rows[np.lexsort((candidates.ties[rows], hash_keys(candidates.row_ids[rows], seed)))] for rows in bins]
    sizes = np.array([len(rows) for rows in bins], dtype=np.int64)
    turns = take_turns(np.ones(len(bins)), sizes, min(budget, int(sizes.sum())), np.zeros(len(bins), dtype=np.int64))
    order = np.empty(len(turns), dtype=np.int64)
    for number, rows in enumerate(mixed):
        seats = np.flatnonzero(turns == number)
        order[seats] = rows[: len(seats)]
    return order
