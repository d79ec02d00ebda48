"""What training on each row is still worth, told from the losses that training reads anyway.

Belongs here: the utility of a row, how it changes when the row is trained on, when it is lost. Does not: the expected
change of a loss (``loss_change``), which rows are trained on (``utility_rounds``).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class Utilities:
    """The utilities of n rows (IDU of LEAD, arXiv 2505.07437).

    ``U <- (1 - h) (L + c) + h U`` where L is the loss of a row before a step that it is part of, c the change of the
    loss that the step is expected to make, and h the weight of what was thought before.

    A row that is read again and whose loss has not fallen cannot be learned: its utility becomes 0. Without this rows
    with a wrong response keep the highest loss of all, and are chosen for it again and again.

    Attributes:
        values: (n,) float64; NaN for rows that nothing is known of, which are never trained on.
        last: (n,) float64 loss when the row was last trained on; NaN before.
        uses: (n,) int64 how often it was trained on.
        lost: (n,) bool rows that cannot be learned.
    """

    def __init__(self, start: np.ndarray, *, history: float = 0.1, least_fall: float | None = 0.0) -> None:
        """Begin.

        Args:
            start: (n,) utility of each row before any training; NaN or infinite: it is left out.
            history: weight of the utility before, from 0 (the last loss counts alone) to 1 (nothing changes).
            least_fall: share of its first loss by which that of a row must have fallen when it is read again; None: a
                row is never given up.

        Raises:
            ValueError: ``history`` is out of its range.
        """
        if not 0 <= history <= 1:
            raise ValueError(f"history must lie between 0 and 1, and it is {history}")
        self.values = np.where(np.isfinite(start), start, np.nan).astype(np.float64)
        self._first = np.full(len(self.values), np.nan)
        self.last = np.full(len(self.values), np.nan)
        self.uses = np.zeros(len(self.values), np.int64)
        self.lost = np.zeros(len(self.values), bool)
        self._history, self._least_fall = history, least_fall

    def update(self, rows: np.ndarray, losses: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Take what a training on rows has read; return how much utility was removed from each by learning.

        Utility that a row loses because it cannot be learned was not removed by learning and is not counted.

        Args:
            rows: (m,) distinct rows.
            losses: (m,) mean loss of a token of each before its step; NaN for a row that has none: it is given up.
            change: (m,) expected change of it by the step.
        """
        read = np.isfinite(losses)
        before = self.values[rows]
        self.uses[rows] += 1
        after = (1 - self._history) * (losses + change) + self._history * before
        self.values[rows] = np.where(read, after, 0.0)
        self.lost[rows] |= ~read
        if self._least_fall is not None:
            again = np.isfinite(self._first[rows])
            stuck = again & (losses >= (1 - self._least_fall) * self._first[rows])
            self.lost[rows] |= stuck
            self.values[rows[stuck]] = 0.0
        self._first[rows] = np.where(np.isnan(self._first[rows]), losses, self._first[rows])
        self.last[rows] = losses
        return np.where(read, before - after, 0.0)

    def state(self) -> dict[str, Any]:
        """Return what changes, of the rows that were trained on, as plain values."""
        rows = np.flatnonzero(self.uses)
        found = {name: getattr(self, name)[rows].tolist() for name in ("values", "_first", "last", "uses", "lost")}
        return {"rows": rows.tolist(), **found}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state`` of utilities that were begun in the same way."""
        rows = np.array(state["rows"], np.int64)
        for name in ("values", "_first", "last", "uses", "lost"):
            getattr(self, name)[rows] = state[name]
