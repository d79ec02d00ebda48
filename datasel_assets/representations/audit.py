"""Does a basis do what its method promises? Belongs here: checks from moments alone. Not: fitting, rows."""

import numpy as np

from datasel_assets.representations.compress import Basis
from datasel_assets.representations.moments import Moments
from datasel_assets.specs.compress import CompressSpec


def variance_error(spec: CompressSpec, basis: Basis, moments: Moments) -> float:
    """Return the largest deviation of the transformed covariance from what the method promises.

    For ``whiten`` with spectral power alpha and ridge r the kept axes must be uncorrelated with variance
    lambda / (lambda + r mean(lambda))^alpha, so 1 for whitening and lambda for PCA (arXiv 2602.13773, CRDS-W; CRDS-T4).
    The deviation is relative to the largest promised variance. Methods without axes promise nothing: 0.

    Args:
        spec: the compression.
        basis: fitted on ``moments``.
        moments: of the pool.
    """
    if "eigenvalues" not in basis.arrays or not len(basis.arrays["eigenvalues"]):
        return 0.0
    covariance = moments.m2 / max(moments.n - 1, 1)
    if "layer_scale" in basis.arrays:
        scale = np.repeat(basis.arrays["layer_scale"], moments.features // len(basis.arrays["layer_scale"]))
        covariance = covariance * scale[:, None] * scale[None, :]
    projection = basis.arrays["projection"].astype(np.float64)
    variances = basis.arrays["eigenvalues"].astype(np.float64)
    ridge = spec.ridge * np.trace(covariance) / len(covariance)
    promised = np.diag(variances / (variances + ridge) ** spec.alpha)
    return float(np.abs(projection.T @ covariance @ projection - promised).max() / promised.max())
