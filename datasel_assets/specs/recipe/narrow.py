"""Steps that narrow the pool down before the last sampler. Not here: carrying them out (``recipes.narrow``)."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.recipe.select import SelectSpec
from datasel_assets.specs.recipe.values import Count, PositiveShare


class TakeSpec(StrictModel, frozen=True):
    """How many rows a stage lets through: exactly one of the two.

    Attributes:
        rows: at most so many.
        fraction: this share of the rows that reach the stage, rounded half up.
    """

    rows: Count | None = None
    fraction: PositiveShare | None = None

    @model_validator(mode="after")
    def _one(self) -> "TakeSpec":
        if (self.rows is None) == (self.fraction is None):
            raise ValueError("'take' has exactly one of 'rows', 'fraction'")
        return self

    def of(self, rows: int) -> int:
        """Return how many of ``rows`` that is."""
        return min(self.rows, rows) if self.rows is not None else int(float(self.fraction or 0) * rows + 0.5)


class StageSpec(SelectSpec, frozen=True):
    """A sampler before the last one: its first rows go on.

    Attributes:
        take: how many rows go on; None: all that the sampler gives, for those that leave rows out by themselves.
    """

    take: TakeSpec | None = None


class VoteSpec(StrictModel, frozen=True):
    """Several samplers over the same rows: those that enough of them take go on.

    Attributes:
        at_least: votes that a row needs: 1 is the union, the number of samplers the intersection.
        of: the samplers.
    """

    at_least: Count = 1
    of: Annotated[tuple[StageSpec, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _possible(self) -> "VoteSpec":
        if self.at_least > len(self.of):
            raise ValueError(f"at_least: {self.at_least} votes are asked of {len(self.of)} samplers")
        return self


def _kind_of_stage(raw: Any) -> str:
    return "vote" if (isinstance(raw, dict) and "of" in raw) or isinstance(raw, VoteSpec) else "stage"


NarrowSpec = Annotated[
    Annotated[StageSpec, Tag("stage")] | Annotated[VoteSpec, Tag("vote")], Discriminator(_kind_of_stage)
]
"""One step that narrows the pool down before the sampler."""
