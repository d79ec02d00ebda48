"""How like a target a row is, by vectors. Belongs here: the arithmetic. Does not: where vectors come from, samplers."""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.score import SimilaritySpec

_BLOCK_ROWS = 16_384


@indicator(keep="high", bounds=(-1, 1), source="cosine similarity; nearest example: as in LESS and RDS+, one query set")
def similarity(vectors: np.ndarray, examples: np.ndarray, to: str = "nearest") -> np.ndarray:
    """Cosine of the row's vector and a target: its nearest example, or the mean over examples.

    ``max_j cos(x, e_j)`` or ``(1/m) sum_j cos(x, e_j)`` over the m examples; the mean ranks rows as the centre of the
    examples does. NaN for a row without a vector. A sampler that takes the best rows for each example in turn is
    ``round_robin``; this one number forgets which example a row is like.

    Args:
        vectors: (n, d); a row of zeros has no direction.
        examples: (m, d), as above; without a direction they count for nothing.
        to: ``nearest`` or ``mean``.

    Raises:
        ValueError: no example has a direction.
    """
    aims = _directions(np.asarray(examples, np.float64))
    aims = aims[np.vecdot(aims, aims) > 0]
    if not len(aims):
        raise ValueError("the examples of the target have no direction, so that nothing is like them")
    result = np.full(len(vectors), np.nan)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = _directions(np.asarray(vectors[start : start + _BLOCK_ROWS], np.float64))
        cosines = block @ aims.T
        found = cosines.mean(axis=1) if to == "mean" else cosines.max(axis=1)
        result[start : start + _BLOCK_ROWS] = np.where(np.vecdot(block, block) > 0, found, np.nan)
    return np.clip(result, -1.0, 1.0)


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length one; zero where there is no direction."""
    lengths = np.sqrt(np.vecdot(vectors, vectors))[:, None]
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def score_pool(spec: SimilaritySpec, given: Given) -> PoolScore:
    """Return the score of a file."""
    return PoolScore(similarity(given.vectors, given.examples, spec.to), facts={"examples": len(given.examples)})


KIND = ScoreKind(
    name="similarity",
    ways=("similarity",),
    spec=SimilaritySpec,
    keep=similarity.keep,
    indicator=similarity,
    needs=lambda spec: (
        Need("vector", "representation", spec.representation),
        Need("example", "target", spec.target),
    ),
    identity=lambda spec, keep, clustered: [similarity.version, spec.representation, spec.target, spec.to],
    about=lambda spec: (
        f"Cosine of each row and of the target `{spec.target}` ({spec.to}) by the vectors of `{spec.representation}`."
    ),
    compute=score_pool,
)
"""The kind of the files with ``how: similarity``."""
