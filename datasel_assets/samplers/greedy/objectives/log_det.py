"""Log-determinant: the volume that the vectors of the subset span (determinantal point process, most likely subset)."""

import numpy as np
from pydantic import Field

from datasel_assets.arrays.linear_algebra import eigvalsh, product
from datasel_assets.samplers.candidates import Candidates, need
from datasel_assets.samplers.greedy.objectives.base import on_grid
from datasel_assets.samplers.greedy.objectives.similarity import unit_rows
from datasel_assets.schema import StrictModel


class LogDetParams(StrictModel, frozen=True):
    """How close to singular the kernel may be.

    Attributes:
        ridge: added to the diagonal of the kernel of cosines; small values push copies apart hardest.
    """

    ridge: float = Field(default=0.1, ge=1e-6)


class LogDet:
    """f(S) = log det(I + K_S / ridge), K_ij the (unclipped) cosine of rows i and j.

    Monotone submodular. It differs by |S| log(ridge) from log det(K_S + ridge I), so the order is that of the greedy
    MAP inference of a determinantal point process with that kernel (Chen et al. 2018, arXiv 1709.05135, Algorithm 1);
    a modular term 2 log q is its quality-diversity kernel q_i K_ij q_j up to the ridge. Because K = X X^T, the gain
    is log(1 + x^T M x / ridge) with M = (I + X_S^T X_S / ridge)^-1, brought up to date by Sherman and Morrison: d^2 per
    evaluation and d^2 memory besides the vectors, where Algorithm 1 keeps n b numbers.
    """

    Params: type[StrictModel] = LogDetParams
    REQUIRES = frozenset({"vectors"})
    batch = 16

    def __init__(self, pool: Candidates, params: LogDetParams) -> None:
        self.units = unit_rows(need(pool, "vectors"))
        self.n, dim = self.units.shape
        self.ridge = params.ridge
        self.inverse = np.eye(dim)

    @property
    def whole(self) -> float:
        """The log determinant over all rows: of I + X^T X / ridge, which is that of I + K / ridge."""
        gram = np.zeros_like(self.inverse)
        for start in range(0, self.n, 4096):
            block = self._directions(np.arange(start, min(start + 4096, self.n)))
            gram += product(block.T, block)
        return float(np.log1p(np.maximum(eigvalsh(gram), 0) / self.ridge).sum())

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return log(1 + x^T M x / ridge)."""
        gains = np.empty(len(rows))
        for start in range(0, len(rows), 4096):
            part = slice(start, start + 4096)
            block = self._directions(rows[part])
            gains[part] = np.vecdot(block @ self.inverse, block)
        return on_grid(np.log1p(np.maximum(gains, 0) / self.ridge))

    def add(self, row: int) -> None:
        """Take the direction of ``row`` out of what is still worth having."""
        x = self._directions(np.array([row]))[0]
        y = self.inverse @ x
        self.inverse -= np.outer(y, y) / (self.ridge + x @ y)

    def _directions(self, rows: np.ndarray) -> np.ndarray:
        """Return rows as float64, and of length 1 as float64: no row is worth more for how its length was rounded."""
        block = self.units[rows].astype(np.float64)
        return block / np.sqrt(np.vecdot(block, block))[:, None]
