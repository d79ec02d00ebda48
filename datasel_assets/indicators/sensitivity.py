"""Sensitivity of a row: the loss at the centre of its cluster, and how far it is from there (Axiotis et al. 2024).

Belongs here: the arithmetic. Does not: its YAML (``specs.score``), clusters, losses, the draw and its weights (a
sampler: Gumbel top-k with temperature 1). The distance alone is ``neighbours.centroid_distance``.
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.score import SensitivitySpec


@indicator(keep="high", source="Axiotis et al. 2024 (arXiv 2402.17327), Algorithm 1; survey section 4.3 with errata")
def sensitivity(
    clusters: np.ndarray, cosine_distance: np.ndarray, loss: np.ndarray, distance_weight: float = 1.0
) -> np.ndarray:
    """Log of what the row may add to the loss of the pool: log(loss(c) + lambda ||x - mu||^2).

    loss(c) is the loss of the row nearest to the centre of x's cluster, so that a model has to read one row of each
    cluster only; mu is the centroid and ||x - mu||^2 = 2 d between unit vectors at cosine distance d. In logs, so that
    Gumbel top-k with temperature 1 draws with probability proportional to the sensitivity; estimates of a mean over
    the pool need its inclusion weights, without them they are biased. NaN for a row without cluster, in a cluster
    without any loss, or of no sensitivity.

    Args:
        clusters: (n,) int, negative where there is none.
        cosine_distance: (n,) to the centroid of the row's cluster, NaN where there is none.
        loss: (n,) not negative, NaN where it is not known.
        distance_weight: lambda.

    Raises:
        ValueError: the loss at a centre is negative: the sensitivity would be no probability.
    """
    clusters, away = np.asarray(clusters), np.asarray(cosine_distance, np.float64)
    known = (clusters >= 0) & np.isfinite(away)
    result = np.full(len(clusters), np.nan)
    if not known.any():
        return result
    at_centre = np.full(int(clusters[known].max()) + 1, np.nan)
    # Backwards, so that the nearest is written last; at equal distance the first row wins.
    candidates = np.flatnonzero(known & np.isfinite(loss))
    order = candidates[np.argsort(away[candidates], kind="stable")][::-1]
    at_centre[clusters[order]] = np.asarray(loss, np.float64)[order]
    if (at_centre < 0).any():
        worst = int(np.nanargmin(at_centre))
        raise ValueError(f"the loss at the centre of cluster {worst} is {at_centre[worst]:g}: a loss is not negative")
    found = at_centre[clusters[known]] + distance_weight * 2.0 * np.maximum(away[known], 0.0)
    result[known] = np.log(found, out=np.full(len(found), np.nan), where=found > 0)
    return result


def score_pool(spec: SensitivitySpec, given: Given) -> PoolScore:
    """Return the score of a file; beside its picture the two terms that it is made of."""
    loss = given.scores[spec.loss]
    found = sensitivity(given.clusters, given.distance, loss, spec.distance_weight)
    spread = spec.distance_weight * 2.0 * given.distance
    # What the loss does not explain is distance; a share near 0 or 1 says that one term decides alone.
    share = float(np.nanmean(spread / np.exp(found))) if np.isfinite(found).any() else 0.0
    shown = {spec.loss: loss, "distance": given.distance}
    return PoolScore(found, shown=shown, facts={"mean_share_of_distance": share})


KIND = ScoreKind(
    name="sensitivity",
    ways=("sensitivity",),
    spec=SensitivitySpec,
    keep=sensitivity.keep,
    indicator=sensitivity,
    reads=lambda spec: (spec.loss,),
    needs=lambda spec: (Need("distance", "representation", spec.representation),),
    identity=lambda spec, keep, clustered: [
        sensitivity.version,
        spec.model_dump(mode="json", exclude={"doc", "paper"}),
    ],
    about=lambda spec: (
        f"Log of {spec.loss} at the row nearest to the centre of the row's cluster plus {spec.distance_weight:g} times "
        "its squared distance from there. Made again for all rows when any of them changes."
    ),
    compute=score_pool,
)
"""The kind of the files with ``how: sensitivity``."""
