"""What is kept of the gradient of a row: linear maps of it, layer by layer.

Belongs here: the maps. Does not: gradients (:mod:`~datasel_assets.models.gradients`), which map a file asks for
(``tables.vectors.gradients``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from datasel_assets.models.curvature import LayerCurvature
from datasel_assets.representations.rademacher import signs

if TYPE_CHECKING:
    import torch

Shape = tuple[int, int]
"""(outputs o, inputs i) of a linear layer."""


class Whole:
    """Every number of the gradient, layer after layer, row-major: for the few rows of a target."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        """Take the shapes of all layers."""
        self._ends = np.cumsum([o * i for o, i in shapes])
        self.width = int(self._ends[-1])

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the gradient of one layer."""
        flat = gradient.flatten(1)
        end = int(self._ends[module])
        out[:, end - flat.shape[1] : end] += flat


class Toward:
    """Inner products with given vectors: exact, because nothing of the gradient is left out."""

    def __init__(self, vectors: np.ndarray, shapes: Sequence[Shape], device: "torch.device | str" = "cpu") -> None:
        """Take the vectors.

        Args:
            vectors: (m, sum of o * i), in the order of :class:`Whole`.
            shapes: of all layers.
            device: where the gradients are.
        """
        import torch

        ends = np.cumsum([o * i for o, i in shapes])
        whole = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(device)
        self._of = [part.T.contiguous() for part in torch.tensor_split(whole, ends[:-1].tolist(), dim=1)]
        self.width = len(vectors)

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the inner products of one layer."""
        out.addmm_(gradient.flatten(1), self._of[module])


class Eigenbasis:
    """The coordinates with the largest EK-FAC eigenvalues, in the eigenbasis of the Kronecker factors.

    Those are the directions in which the gradients of rows differ most, so few of them tell most of it: of 589,824
    coordinates 1,024 keep a Spearman correlation of .95 with exact inner products (docs/gradients.md).
    """

    def __init__(self, layers: Sequence[LayerCurvature], dims: int, device: "torch.device | str" = "cpu") -> None:
        """Choose the coordinates.

        Args:
            layers: curvature of all layers.
            dims: how many coordinates of all layers together; ties go to the earlier layer.
            device: where the gradients are.
        """
        import torch

        starts = np.concatenate([[0], np.cumsum([layer.eigenvalues.size for layer in layers])])
        chosen = _largest([layer.eigenvalues.ravel() for layer in layers], dims)
        self.width = len(chosen)
        self._of = []
        for layer, start, end in zip(layers, starts[:-1], starts[1:], strict=True):
            first, last = np.searchsorted(chosen, [start, end])
            rows, columns = np.divmod(chosen[first:last] - start, layer.eigenvalues.shape[1])
            outputs, own_row = np.unique(rows, return_inverse=True)
            inputs, own_column = np.unique(columns, return_inverse=True)
            self._of.append(
                (
                    slice(int(first), int(last)),
                    torch.from_numpy(layer.outputs[:, outputs].T.astype(np.float32)).to(device),
                    torch.from_numpy(layer.inputs[:, inputs].astype(np.float32)).to(device),
                    torch.from_numpy(own_row * len(inputs) + own_column).to(device),
                )
            )

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the coordinates of one layer."""
        places, outputs, inputs, kept = self._of[module]
        if not len(kept):
            return
        # The thinner side first: the product that is left is then smaller.
        thin = len(outputs) <= inputs.shape[1]
        rotated = (outputs @ gradient) @ inputs if thin else outputs @ (gradient @ inputs)
        out[:, places] += rotated.flatten(1)[:, kept]

    def add_tokens(self, module: int, x: "torch.Tensor", delta: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the coordinates of one layer, from inputs (r, T, i) and gradients of outputs (r, T, o): the same sums."""
        places, outputs, inputs, kept = self._of[module]
        if len(kept):
            rotated = (delta @ outputs.T).transpose(1, 2) @ (x @ inputs)
            out[:, places] += rotated.flatten(1)[:, kept]


def _largest(parts: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Return the places of the largest numbers of all parts together, ascending; of equal ones the earlier."""
    places, values, start = [], [], 0
    for part in parts:
        # No more of a part can be among them, and sorting a hundred million numbers takes long.
        least = np.partition(part, len(part) - count)[len(part) - count] if len(part) > count else -np.inf
        own = np.flatnonzero(part >= least)
        places.append(own + start)
        values.append(part[own])
        start += len(part)
    return np.sort(np.concatenate(places)[np.argsort(-np.concatenate(values), kind="stable")[:count]])


class TwoSided:
    """Each layer's gradient times random signs from both sides, P^T G R / side: inner products stay, in the mean."""

    def __init__(self, shapes: Sequence[Shape], dims: int, seed: int, device: "torch.device | str" = "cpu") -> None:
        """Draw the signs.

        Args:
            shapes: of all layers.
            dims: how many numbers at most; each layer keeps the largest square that leaves the others as much.
            seed: of the signs.
            device: where the gradients are.

        Raises:
            ValueError: fewer dims than layers.
        """
        import torch

        self._side = int(np.sqrt(dims // len(shapes)))
        if not self._side:
            raise ValueError(f"dims: {dims} numbers are too few for {len(shapes)} layers; two_sided needs one for each")
        drawn = signs(seed, 2 * len(shapes), max(max(shape) for shape in shapes), self._side)
        self._of = [
            tuple(torch.from_numpy(drawn[2 * k + j, : shape[j]].astype(np.float32)).to(device) for j in (0, 1))
            for k, shape in enumerate(shapes)
        ]
        self.width = len(shapes) * self._side**2

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add what one layer gives."""
        outputs, inputs = self._of[module]
        size = self._side**2
        out[:, module * size : (module + 1) * size] += (outputs.T @ gradient @ inputs).flatten(1) / self._side


class CountSketch:
    """Sums over random groups of coordinates with random signs (Charikar et al. 2002): inner products in the mean."""

    def __init__(self, shapes: Sequence[Shape], dims: int, seed: int, device: "torch.device | str" = "cpu") -> None:
        """Draw groups and signs.

        Args:
            shapes: of all layers.
            dims: how many groups.
            seed: of the draw.
            device: where the gradients are.
        """
        import torch

        self.width, self._of = dims, []
        for number, (outputs, inputs) in enumerate(shapes):
            # Raw words of the generator, whose stream no version of NumPy changes.
            drawn = np.random.default_rng([seed, number]).bit_generator.random_raw(outputs * inputs)
            group = ((drawn >> np.uint64(1)) % np.uint64(dims)).astype(np.int64)
            sign = (drawn & np.uint64(1)).astype(np.float32) * 2 - 1
            self._of.append((torch.from_numpy(group).to(device), torch.from_numpy(sign).to(device)))

    def add(self, module: int, gradient: "torch.Tensor", out: "torch.Tensor") -> None:
        """Add the sums of one layer."""
        group, sign = self._of[module]
        out.index_add_(1, group, gradient.flatten(1) * sign)
