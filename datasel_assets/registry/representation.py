"""``data/representations/*.yaml``: an encoder, how its layers are compressed, and whether rows are clustered by it."""

from typing import Literal

from pydantic import Field

from datasel_assets.registry.encoder import EncoderSpec
from datasel_assets.representations.schema import CompressSpec
from datasel_assets.schema import StrictModel


class ClusterSpec(StrictModel):
    """Spherical k-means over the vectors of the representation.

    Attributes:
        k: number of clusters, or ``auto`` for the square root of the number of rows.
        seed: seed of the initial centroids.
    """

    k: int | Literal["auto"] = Field(default="auto", description="number of clusters, or auto (square root of rows)")
    seed: int = 0


class RepresentationSpec(StrictModel):
    """One representation: each becomes assets."""

    doc: str = ""
    encoder: EncoderSpec = Field(default_factory=lambda: EncoderSpec.model_validate({}))
    compress: CompressSpec = CompressSpec()
    clusters: ClusterSpec | None = None
