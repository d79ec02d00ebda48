"""MIG: rows whose tags, weighted by quality, bring the most information to a graph of labels (arXiv 2504.13835).

Belongs here: the propagation over the label graph, the concave information, the greedy order. Does not: where tags come
from, how labels become similar (``corpus.label_graph``), the compiled loops (``mig_kernels``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

REQUIRES: frozenset[str] = frozenset({"tags", "label_graph"})
RANKS_ALL = False
WORDING = Wording(", adds {figures} of information")

Positive = Annotated[float, Field(gt=0)]


class Params(StrictModel, frozen=True):
    """Quality, how far information travels, and how it saturates. The defaults are those of the authors' command line.

    Attributes:
        by: column of the pool with the quality of a row, 0 or more (MIG: DEITA quality times complexity, the mean over
            turns); None gives every row quality 1.
        gain: ``linear``, as in the reference: the slope at the present state times what the row adds; or ``exact``:
            the difference that the row makes, which has the (1 - 1/e) guarantee of submodular greedy.
        norm: share the quality of a row among its tags, instead of giving all of it to each: rows with many tags
            then have no advantage.
        phi: ``pow``: (x + a)^b; ``exp``: 1 - exp(-rate x), which is flat, hence blind, once rate x is over 700.
        a: makes the first information of a label count: with ``linear`` it is worth b a^(b - 1) per unit, 12.7 with
            the defaults, where at x = 10 it is worth 0.5. Relative to the scale of the quality.
        b: exponent; 1 ranks by quality alone.
        rate: of ``exp``.
        propagation: weight of the edges of the graph against the label itself; 0 treats all labels as unrelated.
        cost_scaled: where the rows have costs (the budget is in tokens), compare rows by gain per cost. False: by gain.
    """

    by: str | None = None
    gain: Literal["linear", "exact"] = "linear"
    norm: bool = False
    phi: Literal["pow", "exp"] = "pow"
    a: Positive = 1e-6
    b: Annotated[float, Field(gt=0, le=1)] = 0.8
    rate: Positive = 1.0
    propagation: Annotated[float, Field(ge=0)] = 1.0
    cost_scaled: bool = True

    @property
    def requires(self) -> frozenset[str]:
        """The parts of the candidates that are read: scores only where ``by`` names a column."""
        return REQUIRES | {"scores"} if self.by is not None else REQUIRES


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    r"""Take, one after the other, the row that adds the most information to the label graph.

    With W the similarity of the labels, W~ = I + propagation * offdiag(W) and P_ab = W~_ab / sum_c W~_cb (each label
    averages what arrives), a row of quality s and tags T informs the labels by u = s sum_{a in T} P_a. (``norm``
    divides s by the number of tags.) The information of a set is F = sum_b phi(x_b), x the sum of u over the set
    (section 3 of the paper); ``linear`` takes argmax <phi'(x), u>, ``exact`` argmax F(x + u) - F(x). Gains never grow,
    so a gain that is out of date is an upper bound and lazy evaluation gives the greedy order itself; ties go to the
    smaller row_id.

    What differs from the reference: tags are a set, so ``norm`` does not count a tag twice; all labels of the graph are
    nodes, not only those that the pool shows; W_aa is 1 by definition.

    Args:
        candidates: ``tags``, ``label_graph``, and with ``by`` the quality in ``scores``; rows without tags or without
            quality are not chosen. ``costs`` where there are any.
        budget: number of rows.
        params: see :class:`Params`.
        seed: not used; the method is deterministic.

    Returns:
        The rows with their gain when picked. Every other row has the gain that it would bring to the full selection.

    Raises:
        ValueError: a quality is negative or infinite, a similarity is negative, or a cost is not positive.

    Memory: 80 bytes per row and 30 per tag of a row. Time: the tags of the rows whose bound is looked at, some dozens
    for a pick.
    """
    from datasel_assets.samplers import mig_kernels

    budget = check_budget(budget)
    usable = np.flatnonzero(usable_rows(candidates, params.requires))
    rows = usable[np.argsort(candidates.ties[usable])]
    tags = need(candidates, "tags").take(rows)
    scale = _scale(candidates, rows, params)
    price = _prices(candidates, rows, params)
    graph = propagate(need(candidates, "label_graph"), params.propagation)
    rule = (params.gain == "exact", *_curve(params), *graph.forward)
    first = mig_kernels.row_gains(tags.indptr, tags.indices, scale, price, np.zeros(tags.size), *rule)
    order = np.argsort(-first, kind="stable")
    rows, tags, scale, price, first = rows[order], tags.take(order), scale[order], price[order], first[order]
    table = (tags.indptr, tags.indices, scale, price)
    picks = min(budget, len(rows))
    chosen, gains, state = mig_kernels.lazy_greedy(picks, *table, first, order, *rule, *graph.backward)
    row_scores = np.full(candidates.n, np.nan, np.float32)
    row_scores[rows] = mig_kernels.row_gains(*table, state, *rule)
    row_scores[rows[chosen]] = np.nan
    return Sample.of(rows[chosen], scores=gains, row_scores=row_scores)


def information(candidates: Candidates, order: np.ndarray, params: Params) -> float:
    """Return F of the rows ``order`` (m,), what MIG maximises: for comparing selections of any origin."""
    order = np.asarray(order, dtype=np.int64)
    tags = need(candidates, "tags").take(order)
    scale = _scale(candidates, order, params)
    sent = np.bincount(tags.indices, np.repeat(scale, tags.counts), minlength=tags.size)
    x = _matrix(need(candidates, "label_graph"), params.propagation).T @ sent
    power, a, exponent = _curve(params)
    return float(((x + a) ** exponent).sum() if power else -np.expm1(-exponent * x).sum())


@dataclass(frozen=True)
class Propagation:
    """How information travels from label to label.

    Attributes:
        forward: indptr, indices and values by the label that sends.
        backward: indptr and indices by the label that receives.
    """

    forward: tuple[np.ndarray, np.ndarray, np.ndarray]
    backward: tuple[np.ndarray, np.ndarray]


def propagate(graph: "csr_array", weight: float) -> Propagation:
    """Return P = W~ diag(1 / column sums), W~ = I + ``weight`` * offdiag(``graph``), in both directions.

    Raises:
        ValueError: a similarity is negative or not finite.
    """
    forward = _matrix(graph, weight)
    backward = forward.tocsc()
    wide = (np.int64, np.int32)
    return Propagation(
        (forward.indptr.astype(wide[0]), forward.indices.astype(wide[1]), forward.data),
        (backward.indptr.astype(wide[0]), backward.indices.astype(wide[1])),
    )


def _matrix(graph: "csr_array", weight: float) -> "csr_array":
    from scipy.sparse import coo_array, csr_array, eye_array

    edges = coo_array(graph, dtype=np.float64)
    if not (np.isfinite(edges.data).all() and (edges.data >= 0).all()):
        raise ValueError("label_graph has similarities that are negative or not finite: cut it at a threshold above 0")
    apart = (edges.row != edges.col) & (edges.data > 0) & (weight > 0)
    kept = (weight * edges.data[apart], (edges.row[apart], edges.col[apart]))
    size = len(edges.sum(axis=1))
    matrix = csr_array(csr_array(coo_array(kept, shape=(size, size))) + eye_array(size, format="csr"))
    sums = np.asarray(matrix.sum(axis=0)).ravel()
    matrix.data /= sums[matrix.indices]
    matrix.sort_indices()
    return matrix


def _curve(params: Params) -> tuple[bool, float, float]:
    return (True, params.a, params.b) if params.phi == "pow" else (False, 0.0, params.rate)


def _scale(candidates: Candidates, rows: np.ndarray, params: Params) -> np.ndarray:
    """Return what each of ``rows`` gives to each of its tags (m,) float64."""
    if params.by is None:
        scale = np.ones(len(rows))
    else:
        scale = np.asarray(need(candidates, "scores"), np.float64)[rows]
        wrong = np.flatnonzero(~((scale >= 0) & (scale < np.inf)))
        if len(wrong):
            raise ValueError(
                f"MIG needs a quality of 0 or more, but {params.by} is {scale[wrong[0]]:g} for row "
                f"{candidates.row_ids[rows[wrong[0]]]!s} ({len(wrong)} rows): scale it with a blend (scale: minmax)"
            )
    return scale / need(candidates, "tags").counts[rows] if params.norm else scale


def _prices(candidates: Candidates, rows: np.ndarray, params: Params) -> np.ndarray:
    """Return what the gain of each of ``rows`` is divided by (m,) float64."""
    if candidates.costs is None or not params.cost_scaled:
        return np.ones(len(rows))
    price = np.asarray(candidates.costs, np.float64)[rows]
    wrong = np.flatnonzero(~((price > 0) & (price < np.inf)))
    if len(wrong):
        raise ValueError(
            f"row {candidates.row_ids[rows[wrong[0]]]!s} costs {price[wrong[0]]:g}, so it has no gain per cost "
            f"({len(wrong)} such rows); set cost_scaled: false to compare rows by gain"
        )
    return price
