"""Representations: from the stored layers of a row to one unit vector. Pure arrays in, arrays out; numpy only."""

from datasel_assets.representations.audit import variance_error
from datasel_assets.representations.compress import (
    Basis,
    Compressed,
    compress,
    fit_basis,
    layer_energy,
    needs_fit,
    prepare,
)
from datasel_assets.representations.fidelity import Fidelity, fidelity
from datasel_assets.representations.moments import Moments, moments

__all__ = [
    "Basis",
    "Compressed",
    "Fidelity",
    "Moments",
    "compress",
    "fidelity",
    "fit_basis",
    "layer_energy",
    "moments",
    "needs_fit",
    "prepare",
    "variance_error",
]
