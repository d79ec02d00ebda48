"""Influence: what a training step on a row does to the loss of a target (Koh and Liang 2017, Pruthi et al. 2020).

Belongs here: which directions a target asks for, and what a row scores by its inner products with them. Does not: its
YAML (``specs.score``), gradients and curvature (``models``).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Need, ScoreKind
from datasel_assets.specs.influence import InfluenceSpec

MOST_DIRECTIONS = 48
"""Directions that rows are compared with at the price of one training step; beyond them a row costs more."""

TURN = "0 is the row that an example takes first, -1 the next, and so on: high values help; none of them says harm"
SIGN = "positive: a training step on the row lowers the loss of the target, so high values help; negative: it raises it"


@indicator(
    keep="high", source="Koh and Liang 2017 (arXiv 1703.04730), Eq 2, with the sign of help; LESS (2402.04333), Eq 5"
)
def influence(products: np.ndarray, norm: np.ndarray, cosine: bool) -> np.ndarray:
    """What a training step on the row does to the target: high where it lowers the target's loss.

    max_k <g, d_k> of the row's gradient g with the directions of the target (see ``Directions``), over |g| for
    cosines. To first order a step -e g on the row's loss changes the loss of direction d by -e <g, d>. NaN for a row
    without a response token.

    Args:
        products: (n, k) inner products of the rows' gradients with the directions.
        norm: (n,) lengths of the gradients.
        cosine: whether rows are compared by direction alone.
    """
    best = products.max(axis=1).astype(np.float64)
    known = norm > 0
    return np.where(known, best / np.where(known & cosine, norm, 1.0), np.nan)


def over_checkpoints(
    found: Iterable[tuple[np.ndarray, np.ndarray]], weights: Sequence[float], cosine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, k) products summed over checkpoints, and (n,) whether a row has any, as :func:`influence` takes them.

    TracIn (Pruthi et al. 2020, arXiv 2002.08484, section 3.1): sum_c w_c <g_c, d_c>; of cosines LESS (Definition 3.1).

    Args:
        found: for each checkpoint the products (n, k) and the lengths (n,) of the rows' gradients.
        weights: of the checkpoints.
        cosine: whether rows are compared by direction alone.
    """
    total, known = 0.0, np.empty(0, bool)
    for (products, norm), weight in zip(found, weights, strict=True):
        known = norm > 0
        length = np.where(known & cosine, norm, 1.0)[:, None]
        total = total + weight * (products.astype(np.float64) / length)
    return np.asarray(total), known.astype(np.float64)


def turn_taken(products: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Return (m,) minus the turn in which each row is taken when k examples take their best rows one after the other.

    With rank_t the number of rows that example t likes better, -min_t (rank_t k + t): the order of the rule
    ``lose_turn`` of the sampler ``round_robin`` (RDS+, arXiv 2503.01807), 0 for the row that is taken first.

    Args:
        products: (m, k) of the rows with the examples.
        pool: (n, k) those of all rows, each column ascending.
    """
    examples = pool.shape[1]
    ranks = [len(pool) - np.searchsorted(pool[:, t], products[:, t], side="right") for t in range(examples)]
    return -(np.stack(ranks, axis=1) * examples + np.arange(examples)).min(axis=1).astype(np.float64)


class Directions:
    """The directions that rows are compared with: the mean over the examples of a target, or over those of each task.

    An example without a task is a task of its own. For cosines the mean is that of unit vectors, so that its inner
    product with a row is the mean of the cosines.
    """

    def __init__(self, tasks: Sequence[str], width: int, *, cosine: bool, by_task: bool) -> None:
        """Begin.

        Args:
            tasks: of each example in order.
            width: numbers of a gradient.
            cosine: whether rows are compared by direction alone.
            by_task: a direction for each task; otherwise one in all.

        Raises:
            ValueError: there are no examples, or more tasks than can be compared with in one pass.
        """
        self.names = sorted(set(tasks)) if by_task else ["all"]
        if not tasks:
            raise ValueError("the target has no examples")
        if len(self.names) > MOST_DIRECTIONS:
            raise ValueError(
                f"the target has {len(self.names)} tasks (an example without one is a task), more than the "
                f"{MOST_DIRECTIONS} that rows are compared with: say 'reduce: mean', or give its rows a task_column"
            )
        self._of = [self.names.index(name) if by_task else 0 for name in tasks]
        self._cosine = cosine
        self._sums = np.zeros((len(self.names), width))
        self._counts = np.zeros(len(self.names))
        self._next = 0

    def add(self, gradients: np.ndarray) -> None:
        """Add the gradients (m, width) of the next examples, divided by the curvature where that is wanted."""
        for gradient in gradients.astype(np.float64):
            place, length = self._of[self._next], float(np.linalg.norm(gradient))
            self._next += 1
            if length > 0:
                self._sums[place] += gradient / length if self._cosine else gradient
                self._counts[place] += 1

    def done(self) -> np.ndarray:
        """Return the directions (k, width) float32.

        Raises:
            ValueError: no example has a gradient.
        """
        known = self._counts > 0
        if not known.any():
            raise ValueError("no example of the target has a response token, so it has no gradient")
        return (self._sums[known] / self._counts[known, None]).astype(np.float32)


def _needs(spec: InfluenceSpec) -> tuple[Need, ...]:
    stored = "gradient_table" if spec.precondition == "gram" else "gradients"
    aim = (Need("example", "target", spec.target),) if spec.target is not None else ()
    estimated = (Need("vector", "probes.representation", spec.probes.representation),) if spec.probes else ()
    return (Need(stored, "gradients", spec.gradients), *aim, *estimated)


def _about(spec: InfluenceSpec) -> str:
    divided = {
        "ekfac": ", divided by the curvature of the loss (EK-FAC)",
        "gram": ", divided by the Gram matrix of the pool's, both projected",
        "adam": ", divided by the root of Adam's second moments",
    }
    return (
        f"What a training step on a row does to the loss of {spec.aim}: "
        + ("cosine" if spec.similarity == "cosine" else "inner product")
        + " of the row's gradient with that of the target"
        + divided.get(spec.precondition, "")
        + (f", as turns of its examples; {TURN}." if spec.reduce == "round_robin" else f"; {SIGN}.")
    )


KIND = ScoreKind(
    name="influence",
    ways=("influence",),
    spec=InfluenceSpec,
    keep=influence.keep,
    per="source",
    indicator=influence,
    reads=lambda spec: spec.probes.scores if spec.probes else (),
    needs=_needs,
    about=_about,
    made_when_read=True,
)
"""The kind of the files with ``how: influence``."""
