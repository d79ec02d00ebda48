"""``data/tags/*.yaml``: where the tags of a row come from, which of them count, and when labels are neighbours.

Belongs here: the description. Does not: the tables (``tables.tags``).
"""

from typing import Annotated

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.specs.phrases import PhraseSpec
from datasel_assets.specs.tagger import TaggerSpec


class GraphSpec(StrictModel, frozen=True):
    """When two labels are neighbours.

    Attributes:
        encoder: what turns a label into a vector; the last of its layers counts.
        threshold: least cosine of neighbours. MIG (arXiv 2504.13835) found 0.9 best for its 7B encoder; small ones put
            words of like meaning further apart.
    """

    encoder: EncoderSpec = EncoderSpec.model_validate(
        {"pooling": "mean", "layers": "last", "template": "plain", "max_tokens": 32}
    )
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.9


class TagsSpec(StrictModel, frozen=True):
    """Where the tags of rows come from; its file name is the name in recipes (``tags: phrases``).

    Attributes:
        doc: what it is for.
        column: field of the original records that holds the tags, a list or a string with commas.
        model: a language model that writes tags. Without ``column`` and ``model`` the tags are phrases of the
            instruction itself.
        phrases: which phrases become tags, where they are the source.
        min_rows: rows that a label needs; rarer ones are merged into their head or dropped.
        max_labels: the most frequent labels are kept. MIG: 4,531 were better than 839 and than 6,738.
        graph: when labels are neighbours.
        drift: Jensen-Shannon divergence (bits) between the labels of today's pool and those in use, from which on the
            labels are chosen anew. Below it they stay, and only new rows are tagged.
    """

    doc: str = ""
    column: str | None = Field(default=None, min_length=1)
    model: TaggerSpec | None = None
    phrases: PhraseSpec | None = None
    min_rows: Annotated[int, Field(ge=1)] = 20
    max_labels: Annotated[int, Field(ge=1, le=50_000)] = 5000
    graph: GraphSpec = GraphSpec()
    drift: Annotated[float, Field(gt=0, le=1)] = 0.05

    @model_validator(mode="after")
    def _one_source(self) -> "TagsSpec":
        named = [key for key in ("column", "model", "phrases") if getattr(self, key) is not None]
        if len(named) > 1:
            raise ValueError(f"'{named[0]}' and '{named[1]}' are two sources of tags: name one in each file")
        return self

    @property
    def of_phrases(self) -> PhraseSpec | None:
        """The phrases that are the source, or None where a column or a model is."""
        return None if self.column or self.model else self.phrases or PhraseSpec()
