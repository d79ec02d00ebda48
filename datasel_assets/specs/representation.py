"""``data/representations/*.yaml``: where vectors come from, how they are compressed, and whether rows are clustered."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.compress import CompressSpec
from datasel_assets.specs.encoder import EncoderSpec


class ClusterSpec(StrictModel, frozen=True):
    """Spherical k-means over the vectors of the representation.

    Attributes:
        k: number of clusters, or ``auto`` for the square root of the number of rows.
        seed: seed of the initial centroids.
    """

    k: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    seed: int = 0


class VectorSource(StrictModel, frozen=True):
    """Where the vectors of rows come from: an encoder, gradients, or a table that the user brings.

    Attributes:
        encoder: a model that reads the conversations.
        gradients: a file of ``gradients/``.
        table: a table of vectors: ``.parquet`` (also a pattern of several), ``.lance``, or ``.npy``; a relative path
            starts from the data folder.
        column: its column of vectors (lists of numbers of one length); nothing for ``.npy``.
        key: its column that says whose vector it is; of a ``.npy``, the file with one key per line beside it.
        match: what the keys are: ids of rows, or hashes of contents, which copies of one conversation share.
    """

    encoder: EncoderSpec | None = None
    gradients: Slug | None = None
    table: str | None = Field(default=None, min_length=1)
    column: str = "vector"
    key: str = "row_id"
    match: Literal["row_id", "content_hash"] = "row_id"

    @model_validator(mode="after")
    def _one_producer(self) -> Self:
        given = [name for name in ("encoder", "gradients", "table") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("source: give one of 'encoder', 'gradients' and 'table'")
        stray = sorted(self.model_fields_set & {"column", "key", "match"})
        if given != ["table"] and stray:
            raise ValueError(f"source: {', '.join(stray)} belong to 'table' and not to '{given[0]}'")
        return self


class RepresentationSpec(StrictModel, frozen=True):
    """How rows become vectors: where layers come from and how they are compressed.

    Attributes:
        doc: what it is, in a sentence.
        encoder: the model and what of it is kept; short for ``source: {encoder: ...}``.
        source: where the vectors come from, where that is no encoder.
        compress: how its layers become one vector.
        clusters: group the pool by these vectors.
        neighbours: find the nearest neighbours of every row by these vectors, for the scores of that name. Best for a
            representation that is not fitted to the pool: a new row then leaves the vectors of the others as they are.
    """

    doc: str = ""
    encoder: EncoderSpec = Field(default_factory=lambda: EncoderSpec.model_validate({}))
    source: VectorSource | None = None
    compress: CompressSpec = CompressSpec()
    clusters: ClusterSpec | None = None
    neighbours: bool = False

    @model_validator(mode="before")
    @classmethod
    def _encoder_is_short_for_its_source(cls, given: Any) -> Any:
        source = given.get("source") if isinstance(given, dict) else None
        if isinstance(source, dict) and "encoder" in given:
            raise ValueError("give 'encoder' or 'source', not both")
        if isinstance(source, dict) and set(source) == {"encoder"}:
            return {**{key: value for key, value in given.items() if key != "source"}, "encoder": source["encoder"]}
        return given

    @property
    def brought(self) -> VectorSource | None:
        """The table of vectors that the user brings; None where they are made here."""
        return self.source if self.source and self.source.table is not None else None

    @property
    def gradients(self) -> str | None:
        """The file of ``gradients/`` whose gradients are the vectors; None where something else makes them."""
        return self.source.gradients if self.source else None

    @property
    def encoded(self) -> bool:
        """Whether an encoder makes the vectors, so that it can make those of any other text."""
        return self.source is None
