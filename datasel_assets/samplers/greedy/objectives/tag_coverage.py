"""Coverage of tags, with diminishing returns for tags that are covered already."""

from typing import Literal

import numpy as np

from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.schema import StrictModel

_GRID = 2.0**32


class TagParams(StrictModel, frozen=True):
    """How much the c-th row with a tag still brings.

    Attributes:
        concave: phi(c): ``sqrt``, ``log`` (of 1 + c) or ``once`` (min(c, 1): every tag counts when it is first met).
    """

    concave: Literal["sqrt", "log", "once"] = "sqrt"


class TagCoverage:
    """f(S) = sum over tags t of phi(number of rows in S with tag t), phi concave (feature-based, Lin and Bilmes 2011).

    Monotone submodular. With ``once`` it is maximum coverage: the true form of what InsTag's complexity-first passes
    aim at (arXiv 2308.07074), within 1 - 1/e of the best. Needs no vectors.
    """

    Params: type[StrictModel] = TagParams
    REQUIRES = frozenset({"tags"})
    batch = 16

    def __init__(self, pool: Candidates, params: TagParams) -> None:
        self.tags = need(pool, "tags")
        self.n = self.tags.n
        self.indptr = np.ascontiguousarray(self.tags.indptr, np.int64)
        counts = np.arange(np.bincount(self.tags.indices, minlength=1).max() + 2, dtype=np.float64)
        phi = {"sqrt": np.sqrt, "log": np.log1p, "once": lambda c: np.minimum(c, 1)}[params.concave](counts)
        # Whole numbers that never grow: equal tag counts then give equal gains, in any order of summation.
        self.steps = np.minimum.accumulate(np.rint(np.diff(phi) * _GRID).astype(np.int64))
        self.count = np.zeros(self.tags.size, dtype=np.int64)
        reached = np.concatenate([[0], np.cumsum(self.steps)])
        self.whole = float(reached[np.bincount(self.tags.indices, minlength=1)].sum() / _GRID)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum over the row's tags of phi(c + 1) - phi(c)."""
        from datasel_assets.samplers.greedy.objectives.coverage_kernels import tag_steps

        gains = np.empty(len(rows))
        tag_steps(self.indptr, self.tags.indices, rows, self.count, self.steps, gains)
        return gains / _GRID

    def add(self, row: int) -> None:
        """Count the tags of ``row``."""
        self.count[self.tags.indices[self.indptr[row] : self.indptr[row + 1]]] += 1
