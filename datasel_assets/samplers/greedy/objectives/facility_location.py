"""Facility location: every row of the pool wants a similar row in the subset."""

import numpy as np

from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.greedy.objectives.similarity import ONE, Dense, SimilarityParams, Sparse, similarities
from datasel_assets.schema import StrictModel


class FacilityLocation:
    """f(S) = sum over all rows i of max over j in S of s_ij: how well the pool is represented by the subset.

    Monotone submodular, s = max(cosine, 0) (Bhatt et al. 2024 (arXiv 2401.06692); QDIT, arXiv 2311.14736; survey
    Alg 5). Large clusters get rows first, and more of them only while these still bring rows closer. A gain of 1 is
    one row that was not covered at all and now has its like. Over nearest neighbours (``neighbours``) it is the
    same sum with all other similarities taken as 0.
    """

    Params: type[StrictModel] = SimilarityParams
    REQUIRES = frozenset({"vectors"})

    def __init__(self, pool: Candidates, params: SimilarityParams) -> None:
        self._start(similarities(need(pool, "vectors"), params))

    @classmethod
    def over(cls, similarity: Dense | Sparse) -> "FacilityLocation":
        """Make the objective from similarities that are there already."""
        made = cls.__new__(cls)
        made._start(similarity)
        return made

    def _start(self, similarity: Dense | Sparse) -> None:
        self.similarity = similarity
        self.n = similarity.n
        self.batch = similarity.batch
        self.best = np.zeros(self.n, dtype=np.int32)
        self.evaluated = 0

    @property
    def whole(self) -> float:
        """n: every row has similarity 1 to itself."""
        return float(self.n)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return sum_i max(s_i,row - max over S of s_ij, 0)."""
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import dense_above, sparse_above

        gains = np.empty(len(rows))
        s = self.similarity
        if isinstance(s, Sparse):
            sparse_above(s.indptr, s.indices, s.values, rows, self.best, gains)
        else:
            for part, lines in s.parts(rows):
                dense_above(s.matrix, lines, self.best, gains[part])
        gains *= 1 / ONE
        self.evaluated += len(rows)
        if self.evaluated >= 2 * self.n:
            self._shrink()
        return gains

    def add(self, row: int) -> None:
        """Let ``row`` stand for the rows that it is most similar to."""
        s = self.similarity
        if isinstance(s, Sparse):
            columns, ticks = s.line(row)
            self.best[columns] = np.maximum(self.best[columns], ticks)
        else:
            np.maximum(self.best, s.matrix[s.line(row)], out=self.best)

    def _shrink(self) -> None:
        """Keep only the similarities above ``best``, if they are few: as it only rises, no other ever counts again.

        It costs as much as evaluating every row once, and happens after n evaluations. Most of the order is then found
        among few similarities, also when all of them were there at first.
        """
        self.evaluated = self.n
        kept = self.similarity.above(self.best)
        if kept is not None:
            self.similarity = kept
            self.batch = kept.batch
