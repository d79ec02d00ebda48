"""``kind: mates``: rows by what a step on some of them does to a target. Not here: the estimate for others."""

from typing import Annotated, Literal

from pydantic import Field

from datasel_assets.schema import Slug
from datasel_assets.specs.loop.trained import LoopBudget, TrainedLoopSpec


class MatesSpec(TrainedLoopSpec, frozen=True):
    """A selection toward a target inside a training, in ``loops/<name>.yaml``.

    Attributes:
        kind: ``mates``.
        target: a file of ``targets/``; a row is worth how far a step on it lowers the loss of its examples.
        reference: examples of the target at most, by the hash of their id.
        representation: a file of ``representations/``, from whose vectors the worth of rows is estimated.
        probes: rows of each round whose worth is measured, by the hash of their id.
        rounds: how often it is measured anew; each chooses an equal share of the budget and trains on it.
        tau: temperature of the choice, in deviations of the estimates: 0 takes the best, more draws.
        budget: how many distinct rows are chosen.
    """

    kind: Literal["mates"]
    target: Slug
    reference: Annotated[int, Field(ge=1)] = 40
    representation: Slug
    probes: Annotated[int, Field(ge=20)] = 200
    rounds: Annotated[int, Field(ge=1)] = 4
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    budget: LoopBudget = LoopBudget(fraction=0.035)
    paper: str = "MATES (arXiv 2406.06046)"

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """(key, folder, name) of the files that it cannot do without."""
        own = (("target", "targets", self.target), ("representation", "representations", self.representation))
        return (*super().files, *own)
