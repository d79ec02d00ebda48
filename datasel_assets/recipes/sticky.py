"""Selecting again without changing more than needed, and what changed from one selection to the next.

Belongs here: how much of the previous subset stays, what that costs, who entered and left and why. Does not: the
sampler's order, the budget.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.samplers import Sample

CHANGES_SCHEMA = pl.Schema(
    {
        "row_id": pl.String,
        "source": pl.String,
        "change": pl.String,
        "stage_before": pl.String,
        "reason_before": pl.String,
        "stage_now": pl.String,
        "reason_now": pl.String,
    }
)
"""One line per row that entered or left a selection; ``stage_*`` and ``reason_*`` as in the ledger, null for a row that
was not in the pool."""


@dataclass(frozen=True)
class Kept:
    """What holding on to the previous subset did.

    Attributes:
        previous: rows of the previous subset.
        gone: of these, rows that cannot be chosen any more.
        fresh_churn: share of the subset that would have changed by the sampler alone.
        churn: share that did change.
        bound: share that the recipe lets change.
        objective_lost: the sampler's scores over its own subset minus those over this one, as a share of the former;
            NaN where scores are missing or their sum is not positive.
    """

    previous: int
    gone: int
    fresh_churn: float
    churn: float
    bound: float
    objective_lost: float

    @property
    def sentence(self) -> str:
        """What the reader of the result should know."""
        lost = "" if math.isnan(self.objective_lost) else f", which costs {self.objective_lost:.2%} of the objective"
        beyond = self.churn > self.bound + 1e-9
        forced = f" (more than the bound of {self.bound:.1%}: no more previous rows fit into the budget)"
        return (
            f"{self.churn:.1%} of the rows changed{forced if beyond else ''}; the sampler alone would have changed "
            f"{self.fresh_churn:.1%}{lost}; {self.gone:,} of {self.previous:,} previous rows can no longer be chosen"
        )


def hold_on(
    sample: Sample, take: Callable[[np.ndarray], np.ndarray], previous: np.ndarray, eligible: np.ndarray, churn: float
) -> Sample:
    """Return a sample of which the budget takes rows that are of the previous subset but for the share ``churn``.

    Some previous rows come first, then the sampler's order; bounds per source and tokens count as ever. These are as
    few as the share needs, the best by the sampler's new order, rows beyond that order last. More than the share
    changes only where even all of them leave too much of the budget to others. Without a need to hold on to anything
    the sample is returned as it is.

    Args:
        sample: the sampler's new order.
        take: tells which rows of an order (m,) the budget takes, (m,) bool; ValueError where its bounds cannot be met.
        previous: (p,) positions of the previous subset, best first.
        eligible: (n,) bool.
        churn: from 0 (nothing changes that need not) to 1 (the sampler alone decides).
    """
    rank = np.full(len(eligible), len(eligible) + len(previous), dtype=np.int64)
    rank[previous] = len(eligible) + np.arange(len(previous))
    rank[sample.order] = np.arange(len(sample.order))
    staying = previous[eligible[previous]]
    staying = staying[np.argsort(rank[staying], kind="stable")]

    def holding(rows: int) -> tuple[np.ndarray, np.ndarray]:
        held = staying[:rows]
        order = np.concatenate([held, sample.order[~np.isin(sample.order, held)]])
        try:
            return order, take(order)
        except ValueError:  # beside these rows there is no room for what the sources have to give at least
            return sample.order, take(sample.order)

    def is_enough(rows: int) -> bool:
        order, taken = holding(rows)
        return bool(_changed(order[taken], previous) <= churn + 1e-9)

    rows = bisect_left(range(len(staying)), True, key=is_enough)
    if rows == 0:
        return sample
    order, taken = holding(rows)
    first = order[taken]
    order = np.concatenate([first[np.argsort(rank[first], kind="stable")], order[~taken]])
    place = np.full(len(eligible), -1)
    place[sample.order] = np.arange(len(sample.order))
    ranked = place[order]

    def moved(values: np.ndarray, otherwise: np.ndarray | float) -> np.ndarray:
        return np.where(ranked >= 0, values[ranked], otherwise)

    # A previous row that the sampler did not draw has no weight of its own; the mean makes it one row among the others.
    mean_weight = 1.0 if sample.weights is None or not len(sample.weights) else float(sample.weights.mean())
    unranked = np.nan if sample.row_scores is None else sample.row_scores[order]
    return Sample(
        order=order,
        scores=moved(sample.scores, unranked).astype(np.float32),
        selected_for=moved(sample.selected_for, -1).astype(np.int32),
        weights=None if sample.weights is None else moved(sample.weights, mean_weight).astype(np.float32),
        row_scores=sample.row_scores,
    )


def kept(
    sample: Sample, chosen: np.ndarray, own: np.ndarray, previous: np.ndarray, eligible: np.ndarray, churn: float
) -> Kept:
    """Return what holding on did.

    Args:
        sample: from ``hold_on``.
        chosen: positions of the subset.
        own: positions of the sampler's own subset.
        previous: positions of the previous subset.
        eligible: (n,) bool.
        churn: the bound.
    """
    score = np.full(len(eligible), np.nan)
    score[sample.order] = sample.scores
    best, had = float(score[own].sum()), float(score[chosen].sum())
    return Kept(
        previous=len(previous),
        gone=int((~eligible[previous]).sum()),
        fresh_churn=_changed(own, previous),
        churn=_changed(chosen, previous),
        bound=churn,
        objective_lost=(best - had) / best if best > 0 else float("nan"),
    )


def changes(before: pl.DataFrame | None, now: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that entered or left, as ``CHANGES_SCHEMA``, sorted by change and row_id.

    Args:
        before: decisions of the previous selection (``ledger.DECISIONS_SCHEMA``), or None: then nothing changed.
        now: decisions of this selection.
    """
    if before is None:
        return CHANGES_SCHEMA.to_frame()
    columns = ["row_id", "source", "kept", "stage", "reason"]
    both = before.select(columns).join(now.select(columns), on="row_id", how="full", suffix="_now", coalesce=True)
    was, stays = pl.col("kept").fill_null(False), pl.col("kept_now").fill_null(False)
    return (
        both.filter(was != stays)
        .select(
            "row_id",
            source=pl.coalesce("source_now", "source"),
            change=pl.when(stays).then(pl.lit("entered")).otherwise(pl.lit("left")),
            stage_before="stage",
            reason_before="reason",
            stage_now="stage_now",
            reason_now=pl.col("reason_now").fill_null("it is no longer in the pool"),
        )
        .cast(CHANGES_SCHEMA)
        .sort("change", "row_id")
    )


def positions(row_ids: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Return the positions of those of ``wanted`` that are among ``row_ids`` (unique), in the order of ``wanted``."""
    place = {row_id: index for index, row_id in enumerate(row_ids.tolist())} if len(wanted) else {}
    return np.array([place[row_id] for row_id in wanted if row_id in place], dtype=np.int64)


def _changed(rows: np.ndarray, previous: np.ndarray) -> float:
    return float(1 - np.isin(rows, previous).mean()) if len(rows) else 0.0
