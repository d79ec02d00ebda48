"""The curvature of a loss around a model's weights, layer by layer: EK-FAC, and dividing by it.

Belongs here: the arithmetic on one layer. Does not: estimating it from rows
(:mod:`~datasel_assets.models.curvature_fit`), storing it (``tables.vectors.curvature``).

Of a linear layer with weights W (o, i) the Fisher matrix is taken as S x A, A = E[x x^T] of its inputs and S = E[d d^T]
of the gradients of its outputs (K-FAC, Martens and Grosse 2015), so its eigenvectors are products of theirs. EK-FAC
(George et al. 2018) keeps these and measures the eigenvalues: the mean square of the rows' gradients along each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.linear_algebra import eigh


@dataclass(frozen=True, eq=False)
class LayerCurvature:
    """The curvature of one linear layer.

    Attributes:
        outputs: (o, o) eigenvectors of S, one a column.
        inputs: (i, i) eigenvectors of A.
        eigenvalues: (o, i), at least 0.
    """

    outputs: np.ndarray
    inputs: np.ndarray
    eigenvalues: np.ndarray

    def divide(self, gradients: np.ndarray, damping: float) -> np.ndarray:
        """Return (H + lambda I)^-1 g for gradients (..., o, i), lambda = ``damping`` times the mean eigenvalue.

        Q_S [(Q_S^T G Q_A) / (Lambda + lambda)] Q_A^T, George et al. 2018, with the curvature of Grosse et al. 2023,
        section 3. A layer without any curvature has no say: zero.
        """
        added = damping * float(self.eigenvalues.mean())
        if not added:
            return np.zeros_like(gradients)
        rotated = self.outputs.T @ gradients @ self.inputs
        return self.outputs @ (rotated / (self.eigenvalues + added)) @ self.inputs.T


def eigenvectors(second_moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (d,), ascending and at least 0, and the eigenvectors (d, d) of a symmetric matrix.

    In float64. The sign of an eigenvector is that which makes its largest entry positive: no library's choice.
    """
    whole = second_moment.astype(np.float64)
    values, vectors = eigh((whole + whole.T) / 2)
    largest = np.abs(vectors).argmax(axis=0)
    flip = np.where(vectors[largest, np.arange(len(vectors))] < 0, -1.0, 1.0)
    return values.clip(min=0), vectors * flip


def divide(layers: Sequence[LayerCurvature], gradients: np.ndarray, damping: float) -> np.ndarray:
    """Return whole gradients (m, sum of o * i) divided by the curvature, layer by layer.

    Raises:
        ValueError: they are of different models.
    """
    total = sum(layer.eigenvalues.size for layer in layers)
    if total != gradients.shape[1]:
        raise ValueError(f"gradients of {gradients.shape[1]:,} numbers and a curvature of {total:,} are of two models")
    done, start = [], 0
    for layer in layers:
        size = layer.eigenvalues.size
        own = gradients[:, start : start + size].reshape(-1, *layer.eigenvalues.shape)
        done.append(layer.divide(own.astype(np.float64), damping).reshape(len(gradients), size))
        start += size
    return np.concatenate(done, axis=1)


def to_arrays(modules: Sequence[str], layers: Sequence[LayerCurvature]) -> dict[str, np.ndarray]:
    """Return the curvature of all layers as named arrays in float32."""
    return {
        f"{name}.{part}": getattr(layer, part).astype(np.float32, copy=False)
        for name, layer in zip(modules, layers, strict=True)
        for part in ("outputs", "inputs", "eigenvalues")
    }


def from_arrays(arrays: Mapping[str, np.ndarray], modules: Sequence[str]) -> list[LayerCurvature]:
    """Return what :func:`to_arrays` wrote, in the order of ``modules``.

    Raises:
        ValueError: it was written for other layers.
    """
    parts = [[f"{name}.{part}" for part in ("outputs", "inputs", "eigenvalues")] for name in modules]
    if {name for names in parts for name in names} != arrays.keys():
        raise ValueError("the curvature has other layers than the model: it was estimated for another one")
    return [LayerCurvature(*(arrays[name] for name in names)) for names in parts]
