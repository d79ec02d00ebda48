"""What a training step did, looked at while it is taken: how far the weights went along its gradient.

Belongs here: the gradient before it is clipped, the step that the optimiser took. Does not: taking it (``stepper``),
what follows from it (``bandits.loss_change``).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.representations.rademacher import signs

if TYPE_CHECKING:
    import torch

DIMS = 1024
"""Numbers that a gradient is kept as: their inner products are right but for about 1 / sqrt(DIMS) of the lengths."""


class StepWatch:
    """Looks at the trained weights of a model; one ``before`` and one ``after`` for each step."""

    def __init__(self, model: Any, seed: int = 0) -> None:
        """Take the weights of ``model`` that require a gradient; ``seed``: of :meth:`sketch`."""
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._seed = seed
        self._weights: list[torch.Tensor] = []
        self._gradients: list[torch.Tensor] = []

    def before(self) -> None:
        """Remember weights and gradients; to be called after the backward pass and before the step."""
        self._weights = [p.detach().clone() for p in self._trained]
        self._gradients = [p.detach() * 0 if p.grad is None else p.grad.detach().clone() for p in self._trained]

    def after(self) -> float:
        """Return the inner product of gradient and step: the change of the loss, to first order."""
        moved = zip(self._gradients, self._trained, self._weights, strict=True)
        return sum(float((g.double() * (p.detach() - was).double()).sum()) for g, p, was in moved)

    def sketch(self) -> np.ndarray:
        """Return (DIMS,) the gradient summed up under random signs, which keeps inner products (count sketch)."""
        import torch

        flat = torch.cat([gradient.flatten() for gradient in self._gradients]).cpu().numpy()
        rows = -(-len(flat) // DIMS)
        padded = np.zeros(rows * DIMS, np.float64)
        padded[: len(flat)] = flat
        return (padded.reshape(rows, DIMS) * signs(self._seed, 1, rows, DIMS)[0]).sum(axis=0)
