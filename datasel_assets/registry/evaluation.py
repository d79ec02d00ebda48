"""``data/evaluations/*.yaml``: a benchmark that no released row may repeat, and how closely rows are compared."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from datasel_assets.corpus.contamination import OverlapRules
from datasel_assets.corpus.contamination.items import Compare
from datasel_assets.registry.source import Located, Uri
from datasel_assets.schema import StrictModel

Tier = Literal["exact", "ngram", "embedding"]


class ExactTier(StrictModel, frozen=True):
    """Whole items.

    Attributes:
        short_words: fewest words of an item with fewer than ``ngram.n`` words: such an item is found where it fills
            whole lines of a row. Chinese or Japanese characters count half.
    """

    short_words: int = Field(default=4, ge=1)


class NgramTier(StrictModel, frozen=True):
    """Parts of items.

    Attributes:
        n: words of an n-gram; 13 as in GPT-3.
        min_share: smallest share of an item's words that must lie in n-grams which the row has too.
        short_words: fewest words of an item with fewer than ``n`` words: such an item is found whole inside running
            text, if enough of its words are distinctive.
    """

    n: int = Field(default=13, ge=5, le=50)
    min_share: float = Field(default=0.5, gt=0, le=1)
    short_words: int = Field(default=8, ge=1)


class EmbeddingTier(StrictModel, frozen=True):
    """Reworded items: rows whose vector lies near that of an item. Weak evidence, for a review list.

    Attributes:
        representation: name of the file in ``representations/`` by whose vectors rows and items are compared; best one
            that is not fitted to the pool.
        threshold: smallest cosine of a row that is listed, or ``calibrated``: see
            ``corpus.contamination.neighbours``.
        false_positive_rate: for ``calibrated``, the share of the pool that may be listed though nothing is wrong.
    """

    representation: str
    threshold: Literal["calibrated"] | Annotated[float, Field(gt=-1, le=1)] = "calibrated"
    false_positive_rate: float = Field(default=0.001, ge=0, lt=0.5)


class EvaluationSpec(Located, frozen=True):
    """A benchmark that no released row may repeat.

    Attributes:
        licence: licence of the benchmark.
        compare: which fields of an item are compared: ``question`` (with its context), ``question_answer``, or
            ``question_choices`` where many questions are the same phrase ("Which of these is true?").
        item_column: column that names the item; its position is its name when left out.
        exact: how to look for whole items; ``off`` to leave it.
        ngram: how to look for parts of items; ``off`` to leave it.
        embedding: how to look for reworded items; off when left out.
        blocks: tiers that keep a row out of every release. Other tiers only list rows for review.
        labels: CSV or Parquet file of what a person decided about rows: ``row_id`` or ``content_hash``, ``item``,
            ``is_contaminated``. Precision and recall of the tiers are measured on it.
    """

    uri: Uri
    licence: str | None = None
    compare: Compare = "question"
    item_column: str | None = None
    exact: ExactTier | Literal[False] = ExactTier()
    ngram: NgramTier | Literal[False] = NgramTier()
    embedding: EmbeddingTier | Literal[False] = False
    blocks: list[Tier] = Field(default=["exact", "ngram"])
    labels: str | None = Field(default=None, pattern=r"\.(csv|parquet)$")

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that are looked for, from the strongest evidence to the weakest."""
        on: dict[Tier, object] = {"exact": self.exact, "ngram": self.ngram, "embedding": self.embedding}
        return tuple(tier for tier, setting in on.items() if setting is not False)

    @property
    def blocking(self) -> tuple[Tier, ...]:
        """The tiers that keep a row out of every release."""
        return tuple(tier for tier in self.tiers if tier in self.blocks)

    def item_options(self) -> dict[str, Any]:
        """Keyword arguments for ``corpus.contamination.evaluation_items``."""
        return {
            "format": self.format,
            "columns": self.columns,
            "compare": self.compare,
            "item_column": self.item_column,
        }

    def overlap_rules(self) -> OverlapRules:
        """Rules of the tiers exact and ngram for ``corpus.contamination.EvaluationIndex``."""
        whole, parts = self.exact or ExactTier(), self.ngram or NgramTier()
        return OverlapRules(
            exact=self.exact is not False,
            ngram=self.ngram is not False,
            n=parts.n,
            min_share=parts.min_share,
            line_words=whole.short_words,
            inside_words=parts.short_words,
        )

    @model_validator(mode="after")
    def _tiers_agree(self) -> "EvaluationSpec":
        if not self.tiers:
            raise ValueError("every tier is off: nothing would be compared; remove the file instead")
        if "blocks" in self.model_fields_set and (off := [tier for tier in self.blocks if tier not in self.tiers]):
            raise ValueError(f"blocks: the tier {off[0]!r} is off; switch it on or remove it from blocks")
        if self.strip_suffix is not None:
            raise ValueError("strip_suffix has no meaning for an evaluation; remove it")
        if self.compare == "question_choices" and self.format not in ("auto", "qa"):
            raise ValueError(f"compare: question_choices needs the format qa, and this file says {self.format}")
        return self
