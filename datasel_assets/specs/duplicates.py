"""``data/duplicates.yaml``: what counts as a near or a semantic duplicate, and which of several rows stays."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.minhash import MinHashSpec

Keep = Literal["oldest", "longest", "best_score"]
"""Which of several near duplicates stays: the first by source and position, the longest text, the highest score."""


class AdjudicateSpec(StrictModel, frozen=True):
    """Pairs that are too alike to be kept unseen and not alike enough to be dropped unseen: somebody is asked.

    Attributes:
        answers: a file of ``answers/`` with ``pairs: {of: near_duplicates}``.
        above: from this similarity up to ``threshold`` the pair is a duplicate where the answers say so.
    """

    answers: Slug
    above: Annotated[float, Field(gt=0, lt=1)] = 0.5


class NearSpec(StrictModel, frozen=True):
    """Rows that share most of their words.

    Attributes:
        shingles: what is compared, and how long signatures are.
        threshold: smallest Jaccard similarity of a duplicate to the row that stands for it.
        keep: which row stays: the ``oldest`` (by source name and position), the ``longest``, or that of the
            ``best_score``. Ties go to the smaller row_id.
        score: for ``best_score``, ``<family>.<column>``; best is what its keep sign says, and a row without a value
            comes last.
        adjudicate: who decides about pairs below the threshold.
    """

    shingles: MinHashSpec = MinHashSpec()
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    keep: Keep = "oldest"
    score: Annotated[str, Field(pattern=r"^[a-z0-9_-]+\.[a-z0-9_-]+$")] | None = None
    adjudicate: AdjudicateSpec | None = None

    @model_validator(mode="after")
    def _score_goes_with_best_score(self) -> "NearSpec":
        if self.keep == "best_score" and self.score is None:
            raise ValueError("'keep: best_score' needs 'score: <family>.<column>'")
        if self.keep != "best_score" and self.score is not None:
            raise ValueError(
                f"'score' goes with 'keep: best_score', and this file says {self.keep}; remove one of them"
            )
        if self.adjudicate and self.adjudicate.above >= self.threshold:
            raise ValueError(f"adjudicate.above must be below the threshold, which is {self.threshold:g}")
        return self

    @property
    def least(self) -> float:
        """The similarity from which pairs are looked at."""
        return self.adjudicate.above if self.adjudicate else self.threshold


class SemanticSpec(StrictModel, frozen=True):
    """Rows whose vectors point the same way, by the vectors of the clustered representation.

    Attributes:
        rule: ``semdedup`` compares a row with all earlier rows of its cluster, farthest from the centroid first (arXiv
            2303.09540); ``deita`` with the rows that were kept, longest response first (arXiv 2312.15685).
        threshold: largest cosine that stays.
    """

    rule: Literal["semdedup", "deita"] = "semdedup"
    threshold: Annotated[float, Field(gt=-1, le=1)] = 0.95


class DuplicatesSpec(StrictModel, frozen=True):
    """What counts as a near or a semantic duplicate; the defaults hold when there is no file.

    Attributes:
        near: rows that share most of their words.
        semantic: rows whose vectors point the same way.
    """

    near: NearSpec = NearSpec()
    semantic: SemanticSpec = SemanticSpec()
