"""A score made from scores, as a file in ``scores/`` or a recipe describes it. Not here: its arithmetic."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel

How = Literal["sum", "product", "rank_mean", "vote", "ols"]


class BlendInput(StrictModel, frozen=True):
    """One score of a blend.

    Attributes:
        score: a column of the pool, or ``<family>.<indicator>``.
        weight: its factor in a sum, mean rank or vote; its exponent in a product. Not for ``ols``, which fits it.
        keep: whether ``high`` or ``low`` values are good; ``auto``: what the indicator declares.
        scale: ``none``; ``minmax`` to 0..1; ``robust``: minus the median, by the quantile range; ``clipped``: to 0..1
            between the two quantiles, which is ``robust`` without its outliers, then ``minmax``; ``log``: the natural
            logarithm, where a value that is not above 0 is a missing one. For sum and product.
        top: for ``vote``: the row gets this score's vote when it is among this share of the best.
    """

    score: str
    weight: float = 1.0
    keep: Literal["auto", "high", "low"] = "auto"
    scale: Literal["none", "minmax", "robust", "clipped", "log"] = "none"
    top: Annotated[float, Field(gt=0, le=1)] | None = None


class Outcomes(StrictModel, frozen=True):
    """Observed outcomes for ``how: ols``: one line per observation.

    Attributes:
        uri: CSV or Parquet file, relative to the data folder, with one column per input (named as in ``score``) and
            the outcome. An observation may be a row, or a subset with its mean scores (InstructionMining).
        column: the outcome.
        keep: whether a ``high`` outcome (accuracy) or a ``low`` one (loss) is good.
    """

    uri: str
    column: str = "outcome"
    keep: Literal["high", "low"] = "low"


class BlendSpec(StrictModel, frozen=True):
    """A score made from scores, in ``scores/<name>.yaml`` or inside a recipe.

    Attributes:
        how: ``sum`` of weight * value; ``product`` of value ** weight, 0 or more; ``rank_mean``: weighted mean of
            percentile ranks, 0 to 1; ``vote``: weighted share of the inputs that have the row among their ``top``,
            0 to 1; ``ols``: least squares fitted on ``outcomes``.
        inputs: the scores.
        scope: over which rows scales, ranks and votes are taken: the whole pool (``global``) or each ``source`` alone.
        quantile_range: the quantiles whose distance is 1 after ``scale: robust`` and ``scale: clipped``.
        missing: a row lacking an input: ``drop`` gives it no score, ``median`` fills in the median of the scope,
            ``raise`` fails.
        outcomes: for ``ols``.
        doc: what it is for.
        paper: where it comes from.
    """

    how: How
    inputs: Annotated[tuple[BlendInput, ...], Field(min_length=1)]
    scope: Literal["global", "source"] = "global"
    quantile_range: tuple[float, float] = (0.25, 0.75)
    missing: Literal["drop", "median", "raise"] = "drop"
    outcomes: Outcomes | None = None
    doc: str = ""
    paper: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "BlendSpec":
        names = [entry.score for entry in self.inputs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"the score {repeated[0]!r} is named twice: give it one weight")
        low, high = self.quantile_range
        if not 0 <= low < high <= 1:
            raise ValueError(f"quantile_range must be two numbers with 0 <= low < high <= 1, but it is [{low}, {high}]")
        if (self.how == "ols") != (self.outcomes is not None):
            raise ValueError("'outcomes' goes with 'how: ols', and that needs them")
        for entry in self.inputs:
            if (self.how == "vote") != (entry.top is not None):
                raise ValueError(f"inputs: {entry.score}: 'top' goes with 'how: vote', and every vote needs it")
            if entry.scale != "none" and self.how not in ("sum", "product"):
                raise ValueError(f"inputs: {entry.score}: 'scale' has no effect with 'how: {self.how}': remove it")
            if self.how == "ols" and (entry.weight != 1.0 or entry.keep != "auto"):
                raise ValueError(f"inputs: {entry.score}: 'weight' and 'keep' are fitted by 'how: ols': remove them")
            if self.how == "product" and entry.keep == "low" and entry.scale not in ("minmax", "clipped"):
                raise ValueError(f"inputs: {entry.score}: a product with 'keep: low' needs 'scale: minmax'")
        return self
