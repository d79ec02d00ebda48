"""How easily a linear model tells a row's label from its vector: the score of AFLite (Le Bras et al. 2020).

Belongs here: out-of-fold accuracy over many random splits, removing what is told best and repeating it. Does not: its
YAML (``specs.score``), where vectors and labels come from, which recipes drop rows by it.
"""

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.linear_algebra import product
from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.ridge import ridge_classifier
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.score import PredictabilitySpec

RIDGE = 1e-3
"""Penalty on the squared weights, as a share of the mean variance of the vectors' coordinates."""

_BLOCK_NUMBERS = 1 << 23


@indicator(
    keep="low",
    bounds=(0, 2),
    source="Le Bras et al. 2020 (arXiv 2002.04108), Algorithm 1; survey Eq 16 with errata (over the number of splits)",
)
def predictability(
    vectors: np.ndarray,
    labels: np.ndarray,
    row_ids: np.ndarray,
    splits: int = 64,
    train_rows: int = 10_000,
    seed: int = 0,
    ridge: float = RIDGE,
    draw: int = 0,
) -> np.ndarray:
    """Share of the random splits with the row held out in which a linear classifier finds its label.

    |{splits of E_i that predict y_i}| / |E_i|, E_i the splits that did not train on row i. AFLite drops what is easy:
    low values are kept. The paper's classifier is a logistic regression or a support vector machine; here it is ridge
    regression on one column of +1 and -1 per label with an intercept, of which the largest output wins. It is linear
    as well and has a closed form, so that 64 of them cost seconds and no iteration decides when they are done. A
    label between many others on a line can be hidden from it, which a logistic regression would see. NaN where a row
    has no vector, no label, or never was held out. Between 0 and 1; in a score with rounds above 1 for the rows that
    were removed (``removal_score``).

    Args:
        vectors: (n, d); a row of zeros has no direction and takes no part.
        labels: (n,) int, negative where there is none.
        row_ids: (n,) distinct ids; they alone, with the seed, decide which split trains on which row.
        splits: number of splits.
        train_rows: rows that each classifier is trained on, at most half of the usable ones.
        seed: which splits.
        ridge: penalty, times the trace of the scatter matrix over d.
        draw: which splits, of those of one seed.
    """
    usable = np.flatnonzero((np.asarray(labels) >= 0) & (np.vecdot(vectors, vectors) > 0))
    ids = np.asarray(row_ids)[usable]
    # In the order of the ids, so that not even rounding depends on how the rows lie.
    usable = usable[np.argsort(ids)]
    rows, ids = np.ascontiguousarray(vectors[usable], np.float32), np.sort(ids)
    result = np.full(len(vectors), np.nan)
    trained = min(train_rows, len(rows) // 2)
    if trained < 2:
        return result
    names, own = np.unique(np.asarray(labels)[usable], return_inverse=True)
    right, asked = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for split in range(splits):
        chosen = hash_sample(ids, trained, (seed << 20) + (draw << 10) + split)
        weights, constant = ridge_classifier(rows[chosen].astype(np.float64), own[chosen], len(names), ridge)
        held_out = np.ones(len(rows), bool)
        held_out[chosen] = False
        asked += held_out
        step = max(1, _BLOCK_NUMBERS // len(names))
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            # In double precision: which of two near outputs is larger must not hang on how a product is rounded.
            found = (product(rows[block].astype(np.float64), weights) + constant).argmax(axis=1)
            right[block] += (found == own[block]) & held_out[block]
    result[usable] = np.divide(right, asked, out=np.full(len(rows), np.nan), where=asked > 0)
    return result


def adversarial_filter(
    vectors: np.ndarray,
    labels: np.ndarray,
    row_ids: np.ndarray,
    remove: int,
    threshold: float = 0.75,
    leave: int = 0,
    splits: int = 64,
    train_rows: int = 10_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the most predictable rows, score the rest again, and so on: AFLite (Le Bras et al. 2020, Algorithm 1).

    A round scores the rows that are left with splits of its own and removes the ``remove`` of them with the highest
    predictability p >= ``threshold``; ties by row id. It was the last one when it found fewer than ``remove`` rows, or
    when ``leave`` rows are left (of the last round only so many are removed; the paper may go below).

    Args:
        vectors: (n, d), as for ``predictability``, and so on down to ``row_ids``.
        labels: (n,) int.
        row_ids: (n,) distinct ids.
        remove: rows removed in a round, at most; k of the paper.
        threshold: tau of the paper.
        leave: n of the paper.
        splits: m of the paper, in every round.
        train_rows: t of the paper.
        seed: which splits.

    Returns:
        p (n,) float64 of the last round that the row took part in, NaN as in ``predictability``; rounds (n,) int64: the
        round in which it was removed, from 1, or 0 where it was not.
    """
    p, rounds = np.full(len(vectors), np.nan), np.zeros(len(vectors), np.int64)
    left = np.flatnonzero((np.asarray(labels) >= 0) & (np.vecdot(vectors, vectors) > 0))
    left = left[np.argsort(np.asarray(row_ids)[left])]
    last = 0
    while len(left) > leave:
        p[left] = predictability(vectors[left], labels[left], row_ids[left], splits, train_rows, seed, draw=last)
        told = np.flatnonzero(p[left] >= threshold)
        fallen = told[np.argsort(-p[left][told], kind="stable")][: min(remove, len(left) - leave)]
        last += 1
        rounds[left[fallen]] = last
        left = np.delete(left, fallen)
        if len(fallen) < remove:
            break
    return p, rounds


def removal_score(p: np.ndarray, rounds: np.ndarray) -> np.ndarray:
    """Return one number that orders rows as the filter keeps them: low for those that it keeps.

    p of a row that was not removed, 2 - (r - p) / R of one removed in round r of R: above 1, the higher the earlier
    and, within a round, the more predictable.

    Args:
        p: (n,) and ``rounds`` (n,) int, from ``adversarial_filter``; without rounds (all 0) the result is p.
        rounds: see there.
    """
    return np.where(rounds > 0, 2 - (rounds - p) / max(int(rounds.max(initial=0)), 1), p)


def score_pool(spec: PredictabilitySpec, given: Given) -> PoolScore:
    """Return the score of a file, beside it the accuracy and the round of the removal."""
    labels = given.clusters if spec.label == "cluster" else np.unique(given.sources, return_inverse=True)[1]
    splits = {"splits": spec.splits, "train_rows": spec.train_rows, "seed": spec.seed}
    if spec.remove is None:
        accuracy = predictability(given.vectors, labels, given.row_ids, **splits)
        rounds = np.zeros(len(labels), np.int64)
    else:
        accuracy, rounds = adversarial_filter(
            given.vectors, labels, given.row_ids, spec.remove, spec.threshold, spec.leave, **splits
        )
    known = np.isfinite(accuracy)
    commonest = np.bincount(labels[known]).max() / known.sum() if known.any() else np.nan
    facts = {
        "mean_accuracy": float(np.mean(accuracy[known])) if known.any() else float("nan"),
        "rounds_of_removal": int(rounds.max(initial=0)),
        "rows_removed": int(np.count_nonzero(rounds)),
        "share_of_the_commonest_label": float(commonest),
        "labels": len(np.unique(labels[labels >= 0])),
    }
    return PoolScore(removal_score(accuracy, rounds), {"accuracy": accuracy, "round": rounds}, facts=facts)


KIND = ScoreKind(
    name="predictability",
    ways=("predictability",),
    spec=PredictabilitySpec,
    keep=predictability.keep,
    indicator=predictability,
    needs=lambda spec: (
        Need("vector", "representation", spec.representation),
        Need(spec.label, f"label: {spec.label}"),
    ),
    identity=lambda spec, keep, clustered: [
        predictability.version,
        spec.model_dump(mode="json", exclude={"doc", "paper"}),
        clustered if spec.label == "cluster" else None,
    ],
    about=lambda spec: (
        f"How often a linear classifier on the vectors of `{spec.representation}` that was not trained on a row finds "
        f"its {spec.label}. A statistic of the whole pool: made again for all rows when any row, vector or label "
        "changes."
    ),
    compute=score_pool,
    columns={
        "accuracy": "The same in the last round that the row took part in; without rounds it is the score.",
        "round": "The round in which the row was removed; 0: it was not.",
    },
)
"""The kind of the files with ``how: predictability``."""
