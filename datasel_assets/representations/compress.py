"""From stored layers to one unit vector per row. Belongs here: fitting a basis and applying it. Not: files, models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasel_assets.representations.moments import Moments
from datasel_assets.representations.rademacher import columns_per_layer, signs
from datasel_assets.representations.whitening import principal_axes
from datasel_assets.specs.compress import CompressSpec

BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Basis:
    """A fitted map from layers to vectors: everything ``compress`` needs besides the spec.

    Attributes:
        arrays: named arrays to keep. Always ``shape`` = (layers, dim) int64; ``layer_scale`` (layers,), ``mean`` (D,)
            and ``projection`` (D, k) float64 where the method has them, ``eigenvalues`` (k,) beside it, and ``signs``
            (layers, dim, columns) int8.
        info: JSON-able facts: method, dim_out, n_fit, and for whitening rank, k_eff, variance_kept, warnings.
    """

    arrays: dict[str, np.ndarray]
    info: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> "Basis":
        """Restore a basis from kept arrays and facts."""
        return cls(dict(arrays), dict(info or {}))


@dataclass(frozen=True)
class Compressed:
    """Vectors of n rows.

    Attributes:
        vectors: (n, k) float32 of unit length; zeros where ``is_zero``.
        is_zero: (n,) True where the row has no direction (an all-zero embedding, or nothing left after projection).
    """

    vectors: np.ndarray
    is_zero: np.ndarray


def needs_fit(spec: CompressSpec) -> bool:
    """Return whether ``fit_basis`` needs the moments of the pool."""
    return spec.method == "whiten" or spec.centered or spec.layer_norm == "rms"


def prepare(spec: CompressSpec, layers: np.ndarray) -> np.ndarray:
    """Return the (n, layers * dim) float32 concatenation of (n, layers, dim) states: what moments are taken over.

    With ``layer_norm: l2`` each layer of each row has unit length (a zero layer stays zero); ``rms`` is a property of
    the pool and is applied later, by the basis.

    Raises:
        ValueError: not three-dimensional.
    """
    if layers.ndim != 3:
        raise ValueError(f"layers must be (n, layers, dim), got shape {layers.shape}")
    work = layers.astype(np.float32)
    if spec.layer_norm == "l2":
        norms = np.sqrt(np.einsum("nld,nld->nl", work, work))
        work /= np.where(norms > 0, norms, 1.0)[:, :, None]
    return work.reshape(len(work), -1)


def fit_basis(spec: CompressSpec, moments: Moments | None, n_layers: int, dim: int) -> Basis:
    """Return the map that ``spec`` describes, fitted on the pool where it needs to be.

    Args:
        spec: what to do.
        moments: of ``prepare(spec, ...)`` over the pool (queries never enter); None where ``needs_fit`` is false.
        n_layers: stored layers used.
        dim: dimensions of a layer.

    Raises:
        ValueError: moments are missing or were taken over other layers.
    """
    arrays: dict[str, np.ndarray] = {"shape": np.array([n_layers, dim], dtype=np.int64)}
    info: dict[str, Any] = {"method": spec.method, "layers": n_layers, "dim_in": n_layers * dim, "warnings": []}
    scale = None
    if needs_fit(spec):
        moments = _check_moments(spec, moments, n_layers * dim)
        info["n_fit"] = moments.n
        if spec.layer_norm == "rms":
            arrays["layer_scale"] = _layer_scale(moments, n_layers, centered=spec.centered)
            scale = np.repeat(arrays["layer_scale"], dim)
    if spec.method == "none":
        info["dim_out"] = n_layers * dim
        if spec.centered and moments is not None:
            arrays["mean"] = moments.mean if scale is None else moments.mean * scale
    elif spec.method == "rademacher":
        columns = columns_per_layer(spec.dims_per_layer, n_layers, dim)
        info["dim_out"] = dim if columns is None else n_layers * columns
        if columns is not None:
            arrays["signs"] = signs(spec.seed, n_layers, dim, columns)
            arrays["sign_scale"] = np.array(columns**-0.5 if spec.scale == "inverse_sqrt" else 1.0)
    elif moments is not None:
        axes = principal_axes(moments, dims=spec.dims, alpha=spec.alpha, ridge=spec.ridge, scale=scale)
        kept = len(axes.variances)
        arrays["mean"] = axes.mean
        # A pool of equal rows has no axis: one zero column keeps the vectors storable, and every row is flagged.
        arrays["projection"] = axes.directions / axes.divisors if kept else np.zeros((n_layers * dim, 1))
        arrays["eigenvalues"] = axes.variances
        info |= {
            "dim_out": max(kept, 1),
            "rank": axes.rank,
            "k_eff": kept,
            "variance_kept": axes.variance_kept,
            "warnings": list(axes.warnings),
        }
    return Basis(arrays, info)


def compress(spec: CompressSpec, basis: Basis, layers: np.ndarray) -> Compressed:
    """Return one unit vector for each row of ``layers``.

    Works block by block: beyond the result it holds about 48 MiB, whatever n. Every product and every norm is float32:
    the reference takes norms in float16, where a row of 4086 entries of 2000 overflows to zero and a zero row to NaN.

    Args:
        spec: the spec that ``basis`` was fitted with.
        basis: from ``fit_basis``.
        layers: (n, layers, dim) of any float dtype; may be memory-mapped.

    Raises:
        ValueError: another shape than the basis was fitted for, or a value that is not finite.
    """
    expected = tuple(int(size) for size in basis.arrays["shape"])
    if layers.ndim != 3 or layers.shape[1:] != expected:
        raise ValueError(
            f"the basis was fitted for {expected[0]} layers of {expected[1]} dimensions, got rows of shape "
            f"{layers.shape[1:]}: refit the basis of this representation"
        )
    apply = _Apply(spec, basis)
    n = len(layers)
    vectors = np.empty((n, apply.dim_out), dtype=np.float32)
    is_zero = np.empty(n, dtype=bool)
    step = max(256, BLOCK_BYTES // (4 * expected[0] * expected[1]))
    for start in range(0, n, step):
        block = prepare(spec, layers[start : start + step])
        rows = slice(start, start + len(block))
        empty = ~block.any(axis=1)
        projected = apply(block)
        norms = np.sqrt(np.einsum("nk,nk->n", projected, projected))
        if not np.isfinite(norms).all():
            row = start + int(np.flatnonzero(~np.isfinite(norms))[0])
            raise ValueError(f"row {row} has a value that is not finite: recompute its embedding")
        is_zero[rows] = empty | (norms < np.finfo(np.float32).tiny)
        np.divide(projected, norms[:, None], out=vectors[rows], where=~is_zero[rows, None])
        vectors[rows][is_zero[rows]] = 0.0
    return Compressed(vectors, is_zero)


def layer_energy(layers: np.ndarray) -> np.ndarray:
    """Return the (layers,) share of the squared length of the rows that lies in each layer; sums to 1.

    An unnormalised concatenation weighs layers by exactly these shares.
    """
    work = layers.astype(np.float32, copy=False)
    energy = np.einsum("nld,nld->l", work, work, dtype=np.float64)
    return energy / max(energy.sum(), np.finfo(np.float64).tiny)


class _Apply:
    """The linear part of ``compress``, with its float32 arrays made once."""

    def __init__(self, spec: CompressSpec, basis: Basis) -> None:
        arrays = basis.arrays
        self.layers, self.dim = (int(size) for size in arrays["shape"])
        scale = arrays.get("layer_scale")
        self.scale = None if scale is None else np.repeat(scale, self.dim).astype(np.float32)
        self.mean = arrays["mean"].astype(np.float32) if "mean" in arrays else None
        self.projection = arrays["projection"].astype(np.float32) if "projection" in arrays else None
        self.signs = None
        self.dim_out = self.layers * self.dim
        if "signs" in arrays:
            self.signs = arrays["signs"].astype(np.float32) * np.float32(arrays["sign_scale"])
            self.dim_out = self.layers * self.signs.shape[2]
        if self.projection is not None:
            self.dim_out = self.projection.shape[1]

    def __call__(self, block: np.ndarray) -> np.ndarray:
        if self.scale is not None:
            block *= self.scale
        if self.mean is not None:
            block -= self.mean
        if self.projection is not None:
            return block @ self.projection
        if self.signs is None:
            return block
        by_layer = block.reshape(len(block), self.layers, self.dim)
        parts = [by_layer[:, layer] @ self.signs[layer] for layer in range(self.layers)]
        return np.concatenate(parts, axis=1)


def _layer_scale(moments: Moments, n_layers: int, *, centered: bool) -> np.ndarray:
    """Return 1 / root mean square length of each layer; 1 where a layer is all zero."""
    square = np.diagonal(moments.m2) / max(moments.n, 1)
    if not centered:
        square = square + moments.mean**2
    energy = square.reshape(n_layers, -1).sum(axis=1)
    return 1.0 / np.sqrt(np.where(energy > 0, energy, 1.0))


def _check_moments(spec: CompressSpec, moments: Moments | None, features: int) -> Moments:
    if moments is None or moments.n == 0:
        raise ValueError(
            f"compress: method {spec.method} must be fitted on the pool, and there are no moments: "
            "materialise the embeddings of at least one source"
        )
    if moments.features != features:
        raise ValueError(
            f"moments have {moments.features} features, the layers have {features}: "
            "they come from another encoder or choice of layers; refit"
        )
    return moments
