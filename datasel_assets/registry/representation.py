"""``data/representations/*.yaml``: an encoder, how its layers are compressed, and whether rows are clustered by it."""

from typing import Literal

from pydantic import Field

from datasel_assets.registry.encoder import EncoderSpec
from datasel_assets.representations.schema import CompressSpec
from datasel_assets.schema import StrictModel


class ClusterSpec(StrictModel, frozen=True):
    """Spherical k-means over the vectors of the representation.

    Attributes:
        k: number of clusters, or ``auto`` for the square root of the number of rows.
        seed: seed of the initial centroids.
    """

    k: int | Literal["auto"] = Field(default="auto", description="number of clusters, or auto (square root of rows)")
    seed: int = 0


class RepresentationSpec(StrictModel, frozen=True):
    """How rows become vectors: an encoder and how its layers are compressed.

    Attributes:
        doc: what it is, in a sentence.
        encoder: the model and what of it is kept.
        compress: how its layers become one vector.
        clusters: group the pool by these vectors.
        neighbours: find the nearest neighbours of every row by these vectors, for the scores of that name. Best for a
            representation that is not fitted to the pool: a new row then leaves the vectors of the others as they are.
    """

    doc: str = ""
    encoder: EncoderSpec = Field(default_factory=lambda: EncoderSpec.model_validate({}))
    compress: CompressSpec = CompressSpec()
    clusters: ClusterSpec | None = None
    neighbours: bool = False
