"""How much a recipe selects, and how much of it from each source. Not here: keeping to it (``recipes.budget``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.recipe.values import Count, PositiveShare, Share

BUDGET_KINDS = ("rows", "fraction", "tokens", "response_tokens")

FromRatio = Literal["from_ratio"]

_Limit = Annotated[int, Field(ge=0, strict=True)]


class SourceLimits(StrictModel, frozen=True):
    """Bounds on what one source gives, in rows or as a share of the selected rows.

    Attributes:
        min_rows: at least so many rows.
        max_rows: at most so many rows.
        min_share: at least this share of the budget's rows, rounded up.
        max_share: at most this share of the budget's rows, rounded down.
    """

    min_rows: _Limit | None = None
    max_rows: _Limit | None = None
    min_share: Share | None = None
    max_share: Share | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "SourceLimits":
        for bound in ("min", "max"):
            if getattr(self, f"{bound}_rows") is not None and getattr(self, f"{bound}_share") is not None:
                raise ValueError(f"give {bound}_rows or {bound}_share, not both")
        for unit in ("rows", "share"):
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{unit} {low} is larger than max_{unit} {high}")
        return self

    @property
    def uses_shares(self) -> bool:
        """Whether a bound depends on how many rows the budget is."""
        return self.min_share is not None or self.max_share is not None


class BudgetSpec(StrictModel, frozen=True):
    """How much to select: exactly one of four units, and bounds per source.

    Attributes:
        rows: number of rows.
        fraction: share of the rows of the whole pool, before drop rules, so that recipes with different rules stay
            comparable; rounded to the nearest row (half up), at least 1. ``from_ratio``: the one that the trainings of
            ``ratio/<recipe>.yaml`` have found; they must have been carried out.
        tokens: total tokens. The selection is the longest prefix of the sampler's order that fits.
        response_tokens: the same, counting tokens of assistant messages.
        per_source: source -> bounds; ``default`` for the sources not named.
    """

    rows: Count | None = None
    fraction: PositiveShare | FromRatio | None = None
    tokens: Count | None = None
    response_tokens: Count | None = None
    per_source: dict[Slug, SourceLimits] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_unit(self) -> "BudgetSpec":
        given = [name for name in BUDGET_KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(BUDGET_KINDS)}; found {' and '.join(given) or 'none'}")
        shares = [name for name, limits in self.per_source.items() if limits.uses_shares]
        if shares and self.kind not in ("rows", "fraction"):
            raise ValueError(
                f"per_source.{shares[0]} has a share, but a budget in {self.kind} does not fix the number of rows: "
                "use min_rows / max_rows, or a budget in rows or fraction"
            )
        return self

    @property
    def kind(self) -> str:
        """The unit that is set: ``rows``, ``fraction``, ``tokens`` or ``response_tokens``."""
        return next(name for name in BUDGET_KINDS if getattr(self, name) is not None)

    @property
    def from_ratio(self) -> bool:
        """Whether the fraction is one that trainings have to find."""
        return self.fraction == "from_ratio"

    @property
    def amount(self) -> float:
        """The number that is set.

        Raises:
            ValueError: it is one that trainings have to find.
        """
        if self.from_ratio:
            raise ValueError("budget.fraction is from_ratio: put the fraction that was found in its place first")
        return getattr(self, self.kind)
