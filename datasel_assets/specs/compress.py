"""What a representation YAML may say under ``compress``.

Belongs here: names, limits, and which option goes with which method. Does not belong here: the mathematics.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel

Method = Literal["none", "rademacher", "whiten"]
LayerNorm = Literal["none", "l2", "rms"]

OPTIONS_OF_METHOD: dict[str, frozenset[str]] = {
    "none": frozenset({"layer_norm", "center"}),
    "rademacher": frozenset({"layer_norm", "dims_per_layer", "scale", "seed"}),
    "whiten": frozenset({"layer_norm", "dims", "alpha", "ridge"}),
}


class CompressSpec(StrictModel, frozen=True):
    """How the stored layers of a row become one unit vector.

    Attributes:
        method: ``none`` concatenates the layers (one layer: RDS+, arXiv 2503.01807, section 3.1); ``rademacher``
            projects each layer with random signs and concatenates (CRDS-R, arXiv 2602.13773); ``whiten`` rotates to
            the principal axes of the pool and rescales them (CRDS-W, same paper).
        layer_norm: applied to each layer before concatenation. ``none``: layers with larger states weigh more
            (reference). ``l2``: every row of every layer has unit length. ``rms``: each layer is divided by the root
            mean square of its length over the pool (of its distance from the mean where the mean is subtracted), so
            that layers weigh alike but long and short rows stay apart; needs a fit.
        center: ``none``: subtract the mean of the pool (``whiten`` always does).
        dims: ``whiten``: number of axes kept; null keeps all that the pool supports.
        alpha: ``whiten``: spectral power; an axis of variance v is divided by v^(alpha/2). 1 is whitening
            (reference), 0 is plain PCA.
        ridge: ``whiten``: adds ``ridge`` times the mean variance to every variance before the division.
        dims_per_layer: ``rademacher``: columns per layer; ``auto`` is floor(D / layers), and one layer alone is then
            kept as it is (reference).
        scale: ``rademacher``: signs divided by sqrt(columns), or bare as in the reference code. Stored vectors have
            unit length, so this moves them by rounding only; it changes the basis that is kept for audits.
        seed: ``rademacher``: seed of the signs.
    """

    method: Method = "none"
    layer_norm: LayerNorm = "none"
    center: bool = False
    dims: int | None = Field(default=None, ge=1)
    alpha: float = Field(default=1.0, ge=0.0, le=1.0)
    ridge: float = Field(default=0.0, ge=0.0)
    dims_per_layer: int | Literal["auto"] = "auto"
    scale: Literal["inverse_sqrt", "none"] = "inverse_sqrt"
    seed: int = 42

    @property
    def centered(self) -> bool:
        """Whether the mean of the pool is subtracted."""
        return self.center or self.method == "whiten"

    @model_validator(mode="after")
    def _options_belong_to_the_method(self) -> Self:
        stray = self.model_fields_set - OPTIONS_OF_METHOD[self.method] - {"method"}
        if stray:
            raise ValueError(
                f"compress: {', '.join(sorted(stray))} has no effect with method: {self.method}; "
                f"it takes {', '.join(sorted(OPTIONS_OF_METHOD[self.method]))}"
            )
        if isinstance(self.dims_per_layer, int) and self.dims_per_layer < 1:
            raise ValueError("compress: dims_per_layer must be 'auto' or at least 1")
        return self
