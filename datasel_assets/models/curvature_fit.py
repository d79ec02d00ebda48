"""Estimating the curvature of a model's loss from rows: two passes over a sample.

Belongs here: the passes. Does not: the arithmetic on what they find (:mod:`~datasel_assets.models.curvature`).

Products over the tokens of a batch are float32, their sums over batches float64. A second moment is symmetric, so of a
wide layer only the lower half is formed: strips of rows up to the diagonal.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.contexts import Conversation
from datasel_assets.models.curvature import LayerCurvature, eigenvectors
from datasel_assets.models.gradients import GradientModel
from datasel_assets.models.linear_hooks import Layers, row_gradients

if TYPE_CHECKING:
    import torch

STRIP = 256
"""Rows of a second moment that are formed at once."""


def fit_curvature(model: GradientModel, conversations: Sequence[Conversation]) -> tuple[list[LayerCurvature], int]:
    """Return the curvature of every layer in float32, and the number of rows with a loss that it was estimated from.

    First pass: A = mean of x x^T over tokens and S = mean of d d^T, padding left out. Second pass: the mean over rows
    of the squared gradient in their eigenbasis. The gradients are those of the rows' own responses (the empirical
    Fisher matrix) and not of responses that the model drew.

    Raises:
        ValueError: no row has a response token.
    """
    bases = eigenbases(model, conversations)
    squares, rows = squares_along(model, conversations, bases)
    if not rows:
        raise ValueError("none of the rows has a response token, so there is no curvature to estimate")
    layers = []
    for basis in bases:
        total = squares.pop(0)
        layers.append(LayerCurvature(*basis, np.divide(total, rows, dtype=np.float64).astype(np.float32)))
    return layers, rows


def second_moments(
    model: GradientModel, conversations: Sequence[Conversation]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the mean of d d^T (o, o) and of x x^T (i, i) over the tokens of all rows, for each layer, in float64."""
    halves, tokens = _lower_halves(model, conversations)
    means = [_whole(strips) / tokens for strips in halves]
    return means[::2], means[1::2]


def eigenbases(model: GradientModel, conversations: Sequence[Conversation]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the eigenvectors of S and of A of each layer, in float32; each matrix is freed when it is decomposed."""
    halves, tokens = _lower_halves(model, conversations)
    halves.reverse()
    return [tuple(_basis(halves.pop(), tokens) for _ in range(2)) for _ in model.shapes]  # type: ignore[misc]


def squares_along(
    model: GradientModel, conversations: Sequence[Conversation], bases: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[list[np.ndarray], int]:
    """Return the sum over rows of (Q_S^T G Q_A)^2 for each layer (o, i), and the number of rows."""
    import torch

    rotations = [
        [torch.from_numpy(basis.astype(np.float32, copy=False)).to(model.device) for basis in each] for each in bases
    ]

    def begin() -> "tuple[Layers, list[torch.Tensor]]":
        sums = [torch.zeros(shape, dtype=torch.float64, device=model.device) for shape in model.shapes]

        def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
            outputs, inputs = rotations[module]
            o, i = model.shapes[module]
            # Rotating tokens first is cheaper than rotating the gradients, unless there are many of a row.
            early = (x.shape[1] * (len(x) if one_row else 1)) * (o * o + i * i) < o * i * (o + i)
            if early:
                x, delta = x.float() @ inputs, delta.float() @ outputs
            for _, gradient in row_gradients(x, delta, one_row):
                turned = gradient if early else outputs.T @ gradient @ inputs
                sums[module] += turned.square_().sum(dim=0)

        return layer, sums

    total, rows = model.total(conversations, begin)
    return [sums.cpu().numpy() for sums in total], rows


def _lower_halves(
    model: GradientModel, conversations: Sequence[Conversation]
) -> "tuple[list[list[torch.Tensor]], float]":
    """Return the sums of d d^T and of x x^T of each layer, one after the other, as strips, and the number of tokens."""
    import torch

    widths = list(chain(*model.shapes))

    def begin() -> "tuple[Layers, list[torch.Tensor]]":
        sums = [
            torch.zeros((end - start, end), dtype=torch.float64, device=model.device)
            for width in widths
            for start, end in _strips(width)
        ]
        tokens = torch.zeros((), dtype=torch.float64, device=model.device)

        def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
            for place, each in ((2 * module, delta), (2 * module + 1, x)):
                known = each[real].float()
                for number, (start, end) in enumerate(_strips(widths[place]), firsts[place]):
                    sums[number] += known[:, start:end].T @ known[:, :end]
            if module == 0:
                tokens.add_(real.sum())

        return layer, [*sums, tokens]

    firsts = np.cumsum([0, *(len(_strips(width)) for width in widths)]).tolist()
    *sums, tokens = model.total(conversations, begin)[0]
    halves = [sums[start:end] for start, end in pairwise(firsts)]
    return halves, max(1.0, float(tokens))


def _strips(width: int) -> list[tuple[int, int]]:
    return [(start, min(start + STRIP, width)) for start in range(0, width, STRIP)]


def _whole(strips: "Sequence[torch.Tensor]") -> np.ndarray:
    """Return the symmetric matrix (d, d) of which strips hold the lower half."""
    width = strips[-1].shape[1]
    found, start = np.zeros((width, width)), 0
    for strip in strips:
        end = strip.shape[1]
        found[start:end, :end] = strip.cpu().numpy()
        found[:end, start:end] = found[start:end, :end].T
        start = end
    return found


def _basis(strips: "Sequence[torch.Tensor]", tokens: float) -> np.ndarray:
    return eigenvectors(_whole(strips) / tokens)[1].astype(np.float32)
