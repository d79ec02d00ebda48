"""Saturated coverage: every row is covered by the sum of its similarities, up to a limit."""

import numpy as np
from pydantic import Field

from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.greedy.objectives.similarity import ONE, SimilarityParams, Sparse, similarities
from datasel_assets.schema import StrictModel


class SaturatedParams(SimilarityParams, frozen=True):
    """Similarities, and where coverage ends.

    Attributes:
        saturation: the share of its similarity to the whole pool at which a row counts as covered.
    """

    saturation: float = Field(default=0.1, gt=0, le=1)


class SaturatedCoverage:
    """f(S) = sum_i min(sum over j in S of s_ij, saturation * sum over all j of s_ij) (Lin and Bilmes 2011).

    Monotone submodular. Unlike facility location, several moderately similar rows add up; once a region is saturated
    nothing more of it is worth anything. Larger subsets want a larger ``saturation``.
    """

    Params: type[StrictModel] = SaturatedParams
    REQUIRES = frozenset({"vectors"})

    def __init__(self, pool: Candidates, params: SaturatedParams) -> None:
        self.similarity = similarities(need(pool, "vectors"), params)
        self.n = self.similarity.n
        self.batch = self.similarity.batch
        self.room = np.floor(params.saturation * self.similarity.sums()).astype(np.int64)
        self.whole = float(self.room.sum() / ONE)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return sum_i min(s_i,row, what row i lacks to saturation)."""
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import dense_below, sparse_below

        gains = np.empty(len(rows))
        s = self.similarity
        if isinstance(s, Sparse):
            sparse_below(s.indptr, s.indices, s.values, rows, self.room, gains)
        else:
            for part, lines in s.parts(rows):
                dense_below(s.matrix, lines, self.room, gains[part])
        return gains / ONE

    def add(self, row: int) -> None:
        """Take the similarities of ``row`` off what the rows lack."""
        if isinstance(self.similarity, Sparse):
            columns, ticks = self.similarity.line(row)
            self.room[columns] = np.maximum(self.room[columns] - ticks, 0)
        else:
            np.maximum(self.room - self.similarity.matrix[self.similarity.line(row)], 0, out=self.room)
