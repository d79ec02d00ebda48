"""Graph cut: similar to the pool, not to each other."""

import numpy as np
from pydantic import Field

from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.greedy.objectives.similarity import ONE, SimilarityParams, Sparse, similarities
from datasel_assets.schema import StrictModel


class GraphCutParams(SimilarityParams, frozen=True):
    """Similarities, and what redundancy costs.

    Attributes:
        redundancy: lambda, the price of similarity inside the subset. Up to 0.5 more rows are never worth less; 1 is
            the graph cut of Dataset Quantization.
    """

    redundancy: float = Field(default=0.5, ge=0)


class GraphCut:
    """f(S) = sum over i in V, j in S of s_ij - lambda * sum over i, j in S of s_ij.

    Submodular for every lambda >= 0; monotone, with the guarantee of the greedy, for lambda <= 0.5 and all s_ij >= 0.
    The gain of a row is its similarity to the pool less 2 lambda times that to the subset (Dataset
    Quantization, arXiv 2308.10524, with lambda = 1). Cheap: after the sums over the pool each pick costs one line.
    """

    Params: type[StrictModel] = GraphCutParams
    REQUIRES = frozenset({"vectors"})

    def __init__(self, pool: Candidates, params: GraphCutParams) -> None:
        self.similarity = similarities(need(pool, "vectors"), params)
        self.n = self.similarity.n
        self.batch = 64
        self.price = params.redundancy
        self.total = self.similarity.sums()
        self.itself = ONE * self.price  # lambda s_jj: every row has similarity 1 to itself
        self.inside = np.zeros(self.n, dtype=np.int64)

    @property
    def whole(self) -> float:
        """Sum of all similarities; f of all rows is at most that, and below 0 where lambda is above 1."""
        return float(self.total.sum() / ONE)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return sum over V of s_i,row - lambda (2 sum over S of s_i,row + 1)."""
        return (self.total[rows] - 2 * self.price * self.inside[rows] - self.itself) / ONE

    def add(self, row: int) -> None:
        """Make the rows that are similar to ``row`` dearer."""
        if isinstance(self.similarity, Sparse):
            columns, ticks = self.similarity.line(row)
            self.inside[columns] += ticks
        else:
            self.inside += self.similarity.matrix[self.similarity.line(row)]
