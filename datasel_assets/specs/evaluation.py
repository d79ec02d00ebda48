"""``data/evaluations/*.yaml``: a benchmark that no released row may repeat, and how closely rows are compared."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.source import Located, Uri

Tier = Literal["exact", "ngram", "embedding"]
Compare = Literal["question", "question_answer", "question_choices"]


@dataclass(frozen=True, slots=True)
class OverlapRules:
    """How the items of one evaluation are compared.

    Attributes:
        exact: report items that stand in a row whole: one of ``n`` and ``min_words`` words or more anywhere, a shorter
            one where it fills whole lines.
        ngram: report items of whose words ``min_share`` lie in n-grams that the row has, and shorter items inside
            running text.
        n: words of an n-gram.
        min_share: smallest share of an item's words. A share of words is fair to short items: with one changed word in
            the middle, a text of 26 words keeps 1 of its 14 13-grams and half of its words.
        min_words: fewest words of an item in n-grams that the row has, whatever their share; two texts that have
            nothing else in common may well share nine ("which of the following is the correct order of").
        enough_words: as many words are reported whatever their share.
        line_words: fewest words of a short item that is looked for as whole lines.
        inside_words: fewest words of a short item that is looked for inside running text; 8 as in GPT-3 (Brown et al.
            2020, appendix C).

    A character of a script without word spaces counts as half a word for the last two. GPT-3 takes one 13-gram for a
    hit, Tulu 3 (Lambert et al. 2024, section 3.2) half of the tokens in 8-grams. Shorter n-grams with a floor find more
    altered items and no more innocent rows (``benchmarks/contamination.py``).

    Guards (``corpus.contamination.guards``). An n-gram that several items of the evaluation have, as instructions do,
    does not count, and words that lie in no other are left out of the share. A text that more than
    SHARED_BY items have the same words of is not compared. A word is distinctive when it is neither one of a fixed list
    of common words nor in more than 2 % of the texts (and more than 10) of its evaluation; a short item needs one
    distinctive word to be looked for as whole lines, and DISTINCTIVE_INSIDE different ones inside running text.
    """

    exact: bool = True
    ngram: bool = True
    n: int = 6
    min_share: float = 0.4
    min_words: int = 10
    enough_words: int = 24
    line_words: int = 4
    inside_words: int = 8


class ExactTier(StrictModel, frozen=True):
    """Whole items.

    Attributes:
        short_words: fewest words of a short item (see ``ngram.min_words``): such an item is found where it fills whole
            lines of a row. Chinese or Japanese characters count half.
    """

    short_words: int = Field(default=4, ge=1)


class NgramTier(StrictModel, frozen=True):
    """Parts of items.

    Attributes:
        n: words of an n-gram.
        min_share: smallest share of an item's words that must lie in n-grams which the row has too.
        min_words: fewest words that must lie in such n-grams, whatever their share. An item of fewer words, or of fewer
            than ``n``, is short: it is found as a whole or not at all.
        enough_words: words in such n-grams that do, whatever their share.
        short_words: fewest words of a short item: such an item is found whole inside running
            text, if enough of its words are distinctive.
    """

    n: int = Field(default=6, ge=5, le=50)
    min_share: float = Field(default=0.4, gt=0, le=1)
    min_words: int = Field(default=10, ge=1)
    enough_words: int = Field(default=24, ge=1)
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
            min_words=parts.min_words,
            enough_words=parts.enough_words,
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
