"""How much a training step is expected to change the loss of the rows in it, told without another forward pass.

Belongs here: the ways to tell it, over plain numbers (LEAD, arXiv 2505.07437, and what it leaves open). Does not:
gradients of a model (``models.train.step_watch``), what is done with the change (``utilities``).

- ``none``: no change.
- ``own``: the inner product of the step's own gradient with the step that the optimiser took. First order, and right
  for Adam too, whose steps are not along the gradient.
- ``minnorm``: as published, ``-rate |b g_k + (1 - b) g_p|^2`` with the gradient ``g_k`` of the first round of the arm,
  ``g_p`` of the round before, and the ``b`` that makes it smallest. It is the change of plain gradient descent.
- ``secant``: the line through the mean losses of the last two rounds of the arm, continued by one step.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Delta = Literal["none", "minnorm", "own", "secant"]

CLOSE = 1e-12
"""Squared distance of two gradients below which they count as one."""


def smallest_mix(first: np.ndarray, before: np.ndarray) -> float:
    """Return b in [0, 1] for which ``|b first + (1 - b) before|`` is smallest; 0.5 where the two are one.

    With the squared norms d_k and d_p this is ``(d_p - <k, p>) / (d_k + d_p - 2 <k, p>)``; with plain norms, as a
    summary of the paper prints it, the minimum is missed.

    Args:
        first: (d,) gradient g_k.
        before: (d,) gradient g_p.
    """
    apart = float(((first - before) ** 2).sum())
    if apart < CLOSE:
        return 0.5
    return float(np.clip((before @ before - first @ before) / apart, 0.0, 1.0))


class LossChange:
    """What the rounds so far say of the change that the next step of an arm makes."""

    def __init__(self, delta: Delta, arms: int) -> None:
        """Begin; ``arms``: how many there are."""
        self.delta: Delta = delta
        self._first: list[np.ndarray | None] = [None] * arms
        self._before: np.ndarray | None = None
        self._losses: list[list[tuple[int, float]]] = [[] for _ in range(arms)]

    def expected(self, arm: int, rate: float) -> float:
        """Return the change of the mean loss of a step of ``arm`` at a learning rate; 0 for ``none`` and ``own``.

        In the first round nothing is known and it is 0; an arm that was never tried has the gradient of the round
        before alone.
        """
        if self.delta == "minnorm" and self._before is not None:
            first = self._first[arm]
            b = 0.0 if first is None else smallest_mix(first, self._before)
            mixed = (1 - b) * self._before + (0.0 if first is None else b * first)
            return -rate * float(mixed @ mixed)
        if self.delta == "secant" and len(self._losses[arm]) == 2:
            (earlier, loss), (later, now) = self._losses[arm]
            return (now - loss) / (later - earlier)
        return 0.0

    def learn(self, arm: int, gradient: np.ndarray | None, loss: float, steps: int) -> None:
        """Take what a round of ``arm`` has shown.

        Args:
            arm: that was tried.
            gradient: (d,) mean gradient of its steps, or inner products with fixed vectors; None but for ``minnorm``.
            loss: mean loss of its rows.
            steps: of the training so far.
        """
        if gradient is not None:
            gradient = np.asarray(gradient, np.float64)
            if self._first[arm] is None:
                self._first[arm] = gradient
            self._before = gradient
        self._losses[arm] = [*self._losses[arm][-1:], (steps, float(loss))]

    def state(self) -> dict[str, Any]:
        """Return what the rounds so far have left, as plain values."""
        first = [None if found is None else found.tolist() for found in self._first]
        before = None if self._before is None else self._before.tolist()
        return {"first": first, "before": before, "losses": self._losses}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._first = [None if found is None else np.array(found) for found in state["first"]]
        self._before = None if state["before"] is None else np.array(state["before"])
        self._losses = [[(int(step), float(loss)) for step, loss in found] for found in state["losses"]]
