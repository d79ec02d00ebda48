"""Density clusters take turns, the largest first, each giving its outermost rows first: ordered clustering.

Belongs here: the order over clusters and inside each, what becomes of rows of no cluster. Does not: the clusters
themselves (``clusters.density``), quotas over clusters of a representation (``stratify``).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from datasel_assets.arrays.vectors import SubsetVectors
from datasel_assets.clusters.density import density_clusters
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, usable_rows
from datasel_assets.samplers.greedy.objectives.similarity import unit_rows
from datasel_assets.samplers.quotas import group_weights, take_turns
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset({"vectors"})
RANKS_ALL = True
WORDING = Wording(", membership in its cluster {figures}", by_score=False)

MOST_ROWS = 50_000
"""Larger pools are refused: the time of the clusters grows with the square of the rows."""


class Params(StrictModel, frozen=True):
    """What a cluster is, how clusters share the budget, and what becomes of the rows of none.

    Attributes:
        min_rows: fewest rows of a cluster.
        quota: ``equal``: the clusters take turns; ``proportional`` (to their size) or ``sqrt`` (of it).
        noise: rows that belong to no cluster: ``last``: they follow after all clusters, by row_id;
            ``out``: they are not chosen.
    """

    min_rows: Annotated[int, Field(ge=2, le=200)] = 5
    quota: Literal["equal", "proportional", "sqrt"] = "equal"
    noise: Literal["last", "out"] = "last"

    @property
    def may_fall_short(self) -> bool:
        """Whether fewer rows than the budget may come back although more are usable."""
        return self.noise == "out"


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Let the clusters take turns, the largest first, each giving its rows of the lowest membership first.

    Ordered clustering of the survey (arXiv 2408.02085, section 4.3): HDBSCAN, clusters from large to small, in each the
    rows that belong to it least.

    Args:
        candidates: ``vectors``.
        budget: number of rows. Clusters do not depend on it, so a smaller budget is a prefix.
        params: clusters, quotas, noise.
        seed: not used; the method is not random. Ties by row_id.

    Returns:
        The order; ``scores`` is the membership of each row in its cluster, 0 to 1, NaN for rows of none. Time and
        memory: ``density_clusters``, whatever the budget.

    Raises:
        ValueError: there are more than ``MOST_ROWS`` rows to choose from.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, REQUIRES))
    if budget == 0 or len(rows) == 0:
        return Sample.of(np.empty(0, np.int64))
    if len(rows) > MOST_ROWS:
        raise ValueError(
            f"ordered_clusters compares every pair of rows, and {len(rows):,} are more than {MOST_ROWS:,}: take fewer "
            f"before it, such as 'narrow: [{{sampler: random, take: {{rows: {MOST_ROWS}}}}}]'"
        )
    # In the order of the ids: neither equal distances nor rounding may depend on how the pool lies.
    rows = rows[np.argsort(candidates.ties[rows])]
    points = unit_rows(SubsetVectors(need(candidates, "vectors"), rows))
    labels, membership = density_clusters(points, params.min_rows)
    order = np.lexsort((np.arange(len(rows)), membership, labels))
    noise, order = np.split(order, [np.count_nonzero(labels < 0)])
    sizes = np.bincount(labels[order])
    turns = take_turns(group_weights([str(g) for g in range(len(sizes))], sizes, params.quota), sizes, len(order))
    # The n-th turn of a cluster goes to its n-th row.
    taken = np.empty(len(order), np.int64)
    taken[np.argsort(turns, kind="stable")] = order
    scores = np.where(labels < 0, np.nan, membership)
    order = (taken if params.noise == "out" else np.concatenate([taken, noise]))[:budget]
    note = f"{len(sizes):,} clusters; {len(noise):,} of {len(rows):,} rows belong to none"
    return Sample.of(rows[order], scores=scores[order], notes=(note,))
