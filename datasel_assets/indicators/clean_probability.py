"""How likely a row is clean, by the mixture of two Beta distributions over a count of wrong predictions (IDO).

Belongs here: the score over the pool. Does not: the mixture (``beta_mixture``), counting (``dynamics``), its YAML
(``specs.score``).
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.beta_mixture import ITERATIONS, Mixtures
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.score import CleanProbabilitySpec


@indicator(keep="high", bounds=(0, 1), source="IDO (arXiv 2505.00812), section 4 of the released code")
def clean_probability(
    counts: np.ndarray, groups: np.ndarray | None = None, iterations: int = ITERATIONS, *, smooth: bool = False
) -> np.ndarray:
    """Probability that a row is clean, given how often a model was wrong about it while it was trained.

    P(clean | u) of two Beta distributions over u, the count between the smallest and the largest, fitted by some
    iterations of EM that do not converge: their number is part of the method. It finds two groups whether there are
    two or not: look at the page of the training first. NaN for a row without a count.

    Args:
        counts: (n,) wrong predictions, NaN where a row has none.
        groups: (n,) of rows of which each has a mixture of its own where it has 50 rows; None: one for all.
        iterations: of each fit.
        smooth: move counts off the edges by half a count, so that no row is wrong for certain.
    """
    return _fitted(counts, groups, iterations, smooth)[0]


def _fitted(
    counts: np.ndarray, groups: np.ndarray | None, iterations: int, smooth: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return (n,) probabilities, (n,) difficulties, and the share of wrong rows that the fit of all rows gives."""
    counts = np.asarray(counts, np.float64)
    known = np.isfinite(counts)
    found = np.full((2, len(counts)), np.nan)
    if not known.any():
        return found[0], found[1], float("nan")
    labels = np.zeros(len(counts), np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
    at = (counts[known], labels[known])
    mixtures = Mixtures.fit(*at, iterations, per_class=groups is not None, smooth=smooth)
    found[0, known], found[1, known] = mixtures.p_clean(*at), mixtures.quantiles(*at)[0]
    return found[0], found[1], float(mixtures.whole.weights[1])


def score_pool(spec: CleanProbabilitySpec, given: Given) -> PoolScore:
    """Return the score of a file, beside it the difficulty of each row."""
    groups = {"pool": None, "source": given.sources, "cluster": given.clusters}[spec.by]
    counts = given.scores[spec.events]
    p, difficulty, share = _fitted(counts, groups, spec.iterations, spec.smooth)
    facts = {"share_of_wrong_rows": share, "rows_with_a_count": int(np.isfinite(counts).sum())}
    return PoolScore(p, {"difficulty": difficulty}, {spec.events: counts}, facts)


KIND = ScoreKind(
    name="clean_probability",
    ways=("clean_probability",),
    spec=CleanProbabilitySpec,
    keep=clean_probability.keep,
    indicator=clean_probability,
    reads=lambda spec: (spec.events,),
    needs=lambda spec: () if spec.by == "pool" else (Need(spec.by, f"by: {spec.by}"),),
    identity=lambda spec, keep, clustered: [
        clean_probability.version,
        spec.model_dump(mode="json", exclude={"doc", "paper"}),
        clustered if spec.by == "cluster" else None,
    ],
    about=lambda spec: (
        f"Probability that a row is clean, by two Beta distributions over `{spec.events}` of the "
        f"{'whole pool' if spec.by == 'pool' else f'rows of each {spec.by}'}, after {spec.iterations} iterations."
    ),
    compute=score_pool,
    columns={"difficulty": "How many of the clean rows have fewer wrong predictions."},
    made_when_read=True,
)
"""The kind of the files with ``how: clean_probability``."""
