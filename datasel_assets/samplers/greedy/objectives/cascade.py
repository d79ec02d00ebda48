"""Influence: how many rows of the pool a subset is expected to reach over a graph of nearest neighbours."""

import numpy as np
from pydantic import Field

from datasel_assets.arrays.nearest_neighbours import nearest_neighbours
from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.greedy.objectives.similarity import unit_rows
from datasel_assets.schema import StrictModel

_ROUNDING = 1e-6
"""Cosines from float32 distances that cannot be told from 0."""


class CascadeParams(StrictModel, frozen=True):
    """The graph, and how well the expectation over its cascades is known.

    Attributes:
        neighbours: successors of each row.
        graphs: cascades that the expectation is the mean of (IDEAL: 10, drawn anew for every evaluation). With few,
            rows are chosen that were lucky in these.
        seed: which ones.
    """

    neighbours: int = Field(default=10, ge=1)
    graphs: int = Field(default=100, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0)


class Cascade:
    """f(S) = expected number of rows that S makes active: the independent cascade (IDEAL, arXiv 2310.10873).

    A row that becomes active makes each of its k nearest rows active with probability p_ij = s_ij / sum over j of s_ij,
    s = max(cosine, 0), once. Equivalently (Kempe, Kleinberg and Tardos 2003) every edge is live or not beforehand, with
    that probability, and S makes active what it reaches over live edges. The mean over a fixed set of such graphs
    stands for the expectation: monotone submodular for any set of graphs, and the same for every row compared, so that
    lazy greedy is exact on it.

    Memory: 4 n d bytes for the search of neighbours, then about 13 n bytes per graph, as one edge per row is live on
    average. Time of a gain: the rows reached in all graphs.
    """

    Params: type[StrictModel] = CascadeParams
    REQUIRES = frozenset({"vectors"})
    batch = 16

    def __init__(self, pool: Candidates, params: CascadeParams) -> None:
        self.n = pool.n
        near, chance = successors(unit_rows(need(pool, "vectors")), params.neighbours)
        generator = np.random.default_rng(params.seed)
        self.starts = np.zeros((params.graphs, self.n + 1), np.int64)
        targets: list[np.ndarray] = []
        edges = 0
        for starts in self.starts:
            live = generator.random(chance.shape, dtype=np.float32) < chance
            starts[0] = edges
            np.cumsum(live.sum(axis=1), out=starts[1:])
            starts[1:] += edges
            targets.append(near[live])
            edges += len(targets[-1])
        self.targets = np.concatenate(targets)
        self.active = np.zeros((params.graphs, self.n), bool)
        self._seen, self._stamp = np.zeros(self.n, np.int64), 0
        self._found = np.empty(self.n, np.int64)

    @property
    def whole(self) -> float:
        """n: every row makes itself active."""
        return float(self.n)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean over the graphs of the rows that become active with each of ``rows``."""
        from datasel_assets.samplers.greedy.objectives.cascade_kernels import reach_all

        counts = np.empty(len(rows))
        self._stamp = reach_all(
            self.starts, self.targets, self.active, rows, self._seen, self._stamp, self._found, counts
        )
        return counts / len(self.starts)

    def add(self, row: int) -> None:
        """Make active what ``row`` reaches."""
        from datasel_assets.samplers.greedy.objectives.cascade_kernels import activate

        self._stamp = activate(self.starts, self.targets, self.active, row, self._seen, self._stamp, self._found)


def successors(units: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` nearest rows of each row (n, k) int32, and the chance to make them active (n, k) float32.

    The chances of a row sum to 1; all are 0 where no neighbour has a cosine above 0.
    """
    found = nearest_neighbours(units, max(1, min(k, len(units) - 1)))
    distance = found.distance.astype(np.float64)
    similarity = 1 - distance * distance / 2
    similarity[~(similarity > _ROUNDING)] = 0  # NaN where there is no neighbour
    total = similarity.sum(axis=1, keepdims=True)
    return found.index.astype(np.int32), (similarity / np.where(total > 0, total, 1)).astype(np.float32)
