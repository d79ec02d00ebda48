"""Selecting again without changing more than needed, and what changed from one selection to the next.

Belongs here: how much of the previous subset stays, what that costs, who entered and left and why. Does not: the
sampler's order, the budget.
"""

import math
from collections.abc import Sequence
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
        objective_lost: the sampler's scores over its own subset minus those over this one, as a share of the former;
            NaN where scores are missing or their sum is not positive.
    """

    previous: int
    gone: int
    fresh_churn: float
    churn: float
    objective_lost: float

    @property
    def sentence(self) -> str:
        """What the reader of the result should know."""
        lost = "" if math.isnan(self.objective_lost) else f", which costs {self.objective_lost:.2%} of the objective"
        return (
            f"{self.churn:.1%} of the rows changed; the sampler alone would have changed {self.fresh_churn:.1%}{lost}; "
            f"{self.gone:,} of {self.previous:,} previous rows can no longer be chosen"
        )


def hold_on(sample: Sample, own: np.ndarray, previous: np.ndarray, eligible: np.ndarray, churn: float) -> Sample:
    """Return a sample whose first b rows change at most the share ``churn`` of the previous subset; b is ``len(own)``.

    Of the b rows at least ceil((1 - churn) * b) are from the previous subset, as far as it still has so many eligible
    rows; these are the best of it by the sampler's new order, rows beyond that order last. The other places go to the
    best of the sampler's own subset. Without a need to hold on to anything the sample is returned as it is.

    Args:
        sample: the sampler's new order.
        own: (b,) positions of the subset that the budget takes of it.
        previous: (p,) positions of the previous subset, best first.
        eligible: (n,) bool.
        churn: from 0 (nothing changes that need not) to 1 (the sampler alone decides).
    """
    rows = len(own)
    rank = np.full(len(eligible), len(eligible) + len(previous), dtype=np.int64)
    rank[previous] = len(eligible) + np.arange(len(previous))
    rank[sample.order] = np.arange(len(sample.order))
    staying = previous[eligible[previous]]
    staying = staying[np.argsort(rank[staying], kind="stable")]
    wanted = min(math.ceil((1 - churn) * rows - 1e-9), len(staying))
    if np.isin(own, staying).sum() >= wanted:
        return sample
    held = staying[:wanted]
    rest = own[~np.isin(own, held)][: rows - len(held)]
    first = np.concatenate([held, rest])
    first = first[np.argsort(rank[first], kind="stable")]
    order = np.concatenate([first, sample.order[~np.isin(sample.order, first)]])
    place = np.full(len(eligible), -1)
    place[sample.order] = np.arange(len(sample.order))
    ranked = place[order]

    def moved(values: np.ndarray, otherwise: np.ndarray | float) -> np.ndarray:
        return np.where(ranked >= 0, values[ranked], otherwise)

    unranked = np.nan if sample.row_scores is None else sample.row_scores[order]
    return Sample(
        order=order,
        scores=moved(sample.scores, unranked).astype(np.float32),
        selected_for=moved(sample.selected_for, -1).astype(np.int32),
        weights=None if sample.weights is None else moved(sample.weights, 1.0).astype(np.float32),
        row_scores=sample.row_scores,
    )


def kept(sample: Sample, chosen: np.ndarray, own: np.ndarray, previous: np.ndarray, eligible: np.ndarray) -> Kept:
    """Return what holding on did.

    Args:
        sample: from ``hold_on``.
        chosen: positions of the subset.
        own: positions of the sampler's own subset.
        previous: positions of the previous subset.
        eligible: (n,) bool.
    """
    score = np.full(len(eligible), np.nan)
    score[sample.order] = sample.scores
    best, had = float(score[own].sum()), float(score[chosen].sum())
    return Kept(
        previous=len(previous),
        gone=int((~eligible[previous]).sum()),
        fresh_churn=_changed(own, previous),
        churn=_changed(chosen, previous),
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
