"""Reasons to keep a row out of the selection. Not here: which rows a reason fits (``recipes.drop_rules``)."""

from typing import Literal, get_args

from pydantic import model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.recipe.values import ScoreColumn, ScoreName, Share

BOUNDS = ("below", "above", "below_quantile", "above_quantile")


class DropRule(StrictModel, frozen=True):
    """One reason to keep a row out of the selection. Rules apply in the order of the file; the first that fits counts.

    Attributes:
        when: ``duplicate``: the row repeats another one; ``near_duplicate``: it shares most of its words with one;
            ``semantic_duplicate``: its vector is almost that of another one (what counts stands in
            ``duplicates.yaml``); ``contaminated``: it holds an item of an evaluation. Contaminated rows are dropped
            whether a recipe says so or not.
        score: a column of the pool or an indicator, to be compared with the bounds. A missing value fits none.
        below: drop rows whose score is smaller than this.
        above: drop rows whose score is larger than this.
        below_quantile: drop this share of the pool's rows, those with the smallest scores; ties by row_id.
        above_quantile: keep this share of the pool's rows, those with the smallest scores, and drop the others.
        missing: what happens to a row without this score: ``keep`` it, or ``drop`` it.
        source: drop all rows of these sources.
    """

    when: Literal["duplicate", "near_duplicate", "semantic_duplicate", "contaminated"] | None = None
    score: ScoreName | None = None
    below: float | None = None
    above: float | None = None
    below_quantile: Share | None = None
    above_quantile: Share | None = None
    missing: Literal["keep", "drop"] = "keep"
    source: tuple[Slug, ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "DropRule":
        kinds = [name for name in ("when", "score", "source") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"a drop rule has exactly one of 'when', 'score', 'source'; found {' and '.join(kinds) or 'none'}"
            )
        bounds = [name for name in BOUNDS if getattr(self, name) is not None]
        if bounds and self.score is None:
            raise ValueError(f"'{bounds[0]}' goes with 'score: <column>' (one of {', '.join(get_args(ScoreColumn))})")
        if self.score is not None and not bounds and self.missing == "keep":
            raise ValueError(f"'score: {self.score}' needs 'below' or 'above', 'below_quantile' or 'above_quantile'")
        if self.score is None and self.missing == "drop":
            raise ValueError("'missing: drop' goes with 'score: <column>'")
        if self.source is not None and not self.source:
            raise ValueError("'source' needs at least one name")
        return self
