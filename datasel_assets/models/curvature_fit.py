"""Estimating the curvature of a model's loss from rows: two passes over a sample.

Belongs here: the passes. Does not: the arithmetic on what they find (:mod:`~datasel_assets.models.curvature`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from datasel_assets.models.contexts import Conversation
from datasel_assets.models.curvature import LayerCurvature, eigenvectors
from datasel_assets.models.gradients import GradientModel
from datasel_assets.models.linear_hooks import row_gradients


def fit_curvature(model: GradientModel, conversations: Sequence[Conversation]) -> tuple[list[LayerCurvature], int]:
    """Return the curvature of every layer, and the number of rows with a loss that it was estimated from.

    First pass: A = mean of x x^T over tokens and S = mean of d d^T, both in float64, padding left out. Second pass: the
    mean over rows of the squared gradient in their eigenbasis. The gradients are those of the rows' own responses (the
    empirical Fisher matrix) and not of responses that the model drew.

    Raises:
        ValueError: no row has a response token.
    """
    outputs, inputs = second_moments(model, conversations)
    bases = [(eigenvectors(s)[1], eigenvectors(a)[1]) for s, a in zip(outputs, inputs, strict=True)]
    squares, rows = _squares(model, conversations, bases)
    if not rows:
        raise ValueError("none of the rows has a response token, so there is no curvature to estimate")
    return [LayerCurvature(*basis, total / rows) for basis, total in zip(bases, squares, strict=True)], rows


def second_moments(
    model: GradientModel, conversations: Sequence[Conversation]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the mean of d d^T (o, o) and of x x^T (i, i) over the tokens of all rows, for each layer, in float64."""
    import torch

    outputs = [torch.zeros((o, o), dtype=torch.float64, device=model.device) for o, _ in model.shapes]
    inputs = [torch.zeros((i, i), dtype=torch.float64, device=model.device) for _, i in model.shapes]
    tokens = np.zeros(len(model.shapes), np.int64)

    def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
        for sums, each in ((inputs, x), (outputs, delta)):
            known = each[real].double()
            sums[module] += known.T @ known
        tokens[module] += int(real.sum())

    model.visit(conversations, layer)
    counts = np.maximum(tokens, 1)
    found = [
        [(total / int(n)).cpu().numpy() for total, n in zip(sums, counts, strict=True)] for sums in (outputs, inputs)
    ]
    return found[0], found[1]


def _squares(
    model: GradientModel, conversations: Sequence[Conversation], bases: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[list[np.ndarray], int]:
    """Return the sum over rows of (Q_S^T G Q_A)^2 for each layer (o, i), and the number of rows."""
    import torch

    rotations = [
        [torch.from_numpy(basis.astype(np.float32)).to(model.device) for basis in (outputs.T, inputs)]
        for outputs, inputs in bases
    ]
    sums = [torch.zeros(shape, dtype=torch.float64, device=model.device) for shape in model.shapes]

    def layer(module: int, x: Any, delta: Any, real: Any, one_row: bool) -> None:
        outputs, inputs = rotations[module]
        for _, gradient in row_gradients(x, delta, one_row):
            sums[module] += (outputs @ gradient @ inputs).square().sum(dim=0).double()

    rows = model.visit(conversations, layer)
    return [total.cpu().numpy() for total in sums], rows
