"""Reasons to keep a row out of the selection. Not here: which rows a reason fits (``recipes.drop_rules``)."""

from functools import cached_property
from typing import Any, Literal, get_args

from pydantic import SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.recipe.condition import CATEGORY, SOURCE, Condition, read_condition
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
        where: drop the rows for which this condition in SQL is true, such as ``text.response_words < 5 and source =
            'forum'``. It reads the columns that ``score`` may name, ``source`` and ``category.<name>``; names with a
            hyphen stand in double quotes. A missing value makes no comparison true.
    """

    when: Literal["duplicate", "near_duplicate", "semantic_duplicate", "contaminated"] | None = None
    score: ScoreName | None = None
    below: float | None = None
    above: float | None = None
    below_quantile: Share | None = None
    above_quantile: Share | None = None
    missing: Literal["keep", "drop"] = "keep"
    source: tuple[Slug, ...] | None = None
    where: str | None = None

    @field_validator("where")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            read_condition(value)
        return value

    @model_serializer(mode="wrap")
    def _unsaid(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``where`` out where it is not said: the versions of all other recipes stay what they were."""
        return {key: value for key, value in dump(self).items() if key != "where" or value is not None}

    @cached_property
    def condition(self) -> Condition | None:
        """Return what ``where`` says."""
        return None if self.where is None else read_condition(self.where)

    @property
    def scores(self) -> frozenset[str]:
        """Return the columns and scores that the rule reads."""
        named = self.condition.columns if self.condition else {self.score} - {None}
        return frozenset(name for name in named if name and name != SOURCE and not name.startswith(CATEGORY))

    @property
    def categories(self) -> frozenset[str]:
        """Return the files in ``categories/`` that the rule reads."""
        named = self.condition.columns if self.condition else ()
        return frozenset(name.removeprefix(CATEGORY) for name in named if name.startswith(CATEGORY))

    @model_validator(mode="after")
    def _one_kind(self) -> "DropRule":
        kinds = [name for name in ("when", "score", "source", "where") if getattr(self, name) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"a drop rule has exactly one of 'when', 'score', 'source', 'where'; found {found}")
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
