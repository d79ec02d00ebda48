"""Where the length of a gradient comes from, and several maps of one gradient at once.

Belongs here: what is measured beside what is kept. Does not: what is kept
(:mod:`~datasel_assets.models.gradient_projections`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from datasel_assets.models.gradients import Projection


class Energy:
    """The squared length of each layer's gradient. No linear map, but like one it is told layer by layer."""

    def __init__(self, layers: int) -> None:
        """Take the number of layers."""
        self.width = layers

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the squared lengths of one layer."""
        out[:, module] += gradient.flatten(1).square().sum(dim=1)


class Beside:
    """Several projections of the same gradients, one after the other in a row of numbers."""

    def __init__(self, projections: "Sequence[Projection]") -> None:
        """Take the projections."""
        self._of = list(projections)
        self.width = sum(projection.width for projection in projections)

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add what each keeps of one layer."""
        start = 0
        for projection in self._of:
            projection.add(module, gradient, out[:, start : start + projection.width])
            start += projection.width
