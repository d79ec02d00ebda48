"""Estimating the curvature of a model's loss from rows: two passes over a sample.

Belongs here: the passes. Does not: the arithmetic on what they find (:mod:`~datasel_assets.models.curvature`).
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from datasel_assets.models.contexts import Conversation
from datasel_assets.models.curvature import LayerCurvature, eigenvectors
from datasel_assets.models.gradients import GradientModel
from datasel_assets.models.linear_hooks import Layers, row_gradients


def fit_curvature(model: GradientModel, conversations: Sequence[Conversation]) -> tuple[list[LayerCurvature], int]:
    """Return the curvature of every layer, and the number of rows with a loss that it was estimated from.

    First pass: A = mean of x x^T over tokens and S = mean of d d^T, both in float64, padding left out. Second pass: the
    mean over rows of the squared gradient in their eigenbasis. The gradients are those of the rows' own responses (the
    empirical Fisher matrix) and not of responses that the model drew.

    Raises:
        ValueError: no row has a response token.
    """
    bases = eigenbases(*second_moments(model, conversations))
    squares, rows = squares_along(model, conversations, bases)
    if not rows:
        raise ValueError("none of the rows has a response token, so there is no curvature to estimate")
    return [LayerCurvature(*basis, total / rows) for basis, total in zip(bases, squares, strict=True)], rows


def second_moments(
    model: GradientModel, conversations: Sequence[Conversation]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the mean of d d^T (o, o) and of x x^T (i, i) over the tokens of all rows, for each layer, in float64."""
    import torch

    def begin() -> tuple[Layers, list[torch.Tensor]]:
        sums = [torch.zeros((d, d), dtype=torch.float64, device=model.device) for d in chain(*model.shapes)]
        tokens = torch.zeros((), dtype=torch.float64, device=model.device)

        def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
            for place, each in ((2 * module, delta), (2 * module + 1, x)):
                known = each[real].double()
                sums[place] += known.T @ known
            if module == 0:
                tokens.add_(real.sum())

        return layer, [*sums, tokens]

    *sums, tokens = model.total(conversations, begin)[0]
    means = [(total / tokens.clamp(min=1)).cpu().numpy() for total in sums]
    return means[::2], means[1::2]


def eigenbases(outputs: Sequence[np.ndarray], inputs: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the eigenvectors of S and of A of each layer."""
    return [(eigenvectors(s)[1], eigenvectors(a)[1]) for s, a in zip(outputs, inputs, strict=True)]


def squares_along(
    model: GradientModel, conversations: Sequence[Conversation], bases: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[list[np.ndarray], int]:
    """Return the sum over rows of (Q_S^T G Q_A)^2 for each layer (o, i), and the number of rows."""
    import torch

    rotations = [
        [torch.from_numpy(basis.astype(np.float32)).to(model.device) for basis in (outputs.T, inputs)]
        for outputs, inputs in bases
    ]

    def begin() -> tuple[Layers, list[torch.Tensor]]:
        sums = [torch.zeros(shape, dtype=torch.float64, device=model.device) for shape in model.shapes]

        def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
            outputs, inputs = rotations[module]
            for _, gradient in row_gradients(x, delta, one_row):
                sums[module] += (outputs @ gradient @ inputs).square().sum(dim=0).double()

        return layer, sums

    total, rows = model.total(conversations, begin)
    return [sums.cpu().numpy() for sums in total], rows
