"""A score with another scorer for each category: what is good code is no good poem (LASER, arXiv 2505.22157).

Belongs here: which scorer counts for a row, and bringing scorers to one scale. Does not: its YAML (``specs.score``),
the scorers, telling categories apart (``categories``).
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.blend import minmax
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.score import ByCategorySpec


@indicator(keep="high", bounds=(0, 1), source="LASER, arXiv 2505.22157, quality by category")
def by_category(spec: ByCategorySpec, scores: dict[str, np.ndarray], categories: np.ndarray) -> np.ndarray:
    """Score of the scorer of the row's category, all scorers brought to one scale.

    z = (clip(s, q_low, q_high) - median) / (q_high - q_low) of each scorer over the rows that it counts for, then
    (z - min) / (max - min) over all rows. 0 where all values of a scorer are the same. NaN for a row of a category that
    is not named, or that none of the scorers of its category has scored.

    Args:
        spec: scorers of each category.
        scores: name -> (n,) float64, larger is better, NaN where missing.
        categories: (n,) str.
    """
    found = np.full(len(categories), np.nan)
    chosen = np.full(len(categories), -1)
    for category in spec.scores:
        for score in spec.scorers(category):
            open_rows = (categories == category) & (chosen < 0) & np.isfinite(scores[score])
            chosen[open_rows] = spec.reads.index(score)
    for place, score in enumerate(spec.reads):
        rows = np.flatnonzero(chosen == place)
        if len(rows):
            low, middle, high = np.quantile(scores[score][rows], (spec.quantile_range[0], 0.5, spec.quantile_range[1]))
            found[rows] = (np.clip(scores[score][rows], low, high) - middle) / (high - low if high > low else 1.0)
    known = np.isfinite(found)
    if known.any():
        found[known] = minmax(found[known])
    return found


def score_pool(spec: ByCategorySpec, given: Given) -> PoolScore:
    """Return the score of a file."""
    scores = {name: -given.scores[name] if given.keep.get(name) == "low" else given.scores[name] for name in spec.reads}
    values = by_category(spec, scores, given.categories)
    names, counts = np.unique(given.categories[np.isfinite(values)], return_counts=True)
    facts = {f"rows of {name}": float(count) for name, count in zip(names, counts, strict=True)}
    return PoolScore(values, facts=facts)


KIND = ScoreKind(
    name="by_category",
    ways=("by_category",),
    spec=ByCategorySpec,
    keep=by_category.keep,
    indicator=by_category,
    reads=lambda spec: spec.reads,
    needs=lambda spec: (Need("category", "categories", spec.categories),),
    identity=lambda spec, keep, clustered: [
        by_category.version,
        spec.model_dump(mode="json", include={"categories", "scores", "quantile_range"}),
        dict(keep),
    ],
    about=lambda spec: f"The score of each row by the scorer of its category in `{spec.categories}`.",
    compute=score_pool,
    made_when_read=True,
)
"""The kind of the files with ``how: by_category``."""
