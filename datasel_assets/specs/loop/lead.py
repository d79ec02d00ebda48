"""``kind: lead``: rows chosen inside a training by losses that it reads anyway. Not here: the rounds (``bandits``)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.bandits.loss_change import Delta
from datasel_assets.bandits.utility_rounds import Order
from datasel_assets.schema import StrictModel
from datasel_assets.specs.loop.bandit import Exp3Spec
from datasel_assets.specs.loop.trained import LoopBudget, TrainedLoopSpec
from datasel_assets.specs.recipe.values import ScoreName


class GroupsSpec(StrictModel, frozen=True):
    """The groups of rows between which the bandit chooses: clusters of one number.

    Attributes:
        by: the score that they are clusters of; none: IFD of the model, ``<model>.ifd_loss_ratio``.
        k: how many, at most.
        above: rows with this value or less are left out; none: no bound.
        up_to: rows with more are left out; none: no bound. An IFD above 1 says that the prompt does not help.
    """

    by: ScoreName | None = None
    k: Annotated[int, Field(ge=1)] = 7
    above: Annotated[float, Field(allow_inf_nan=False)] | None = 0.0
    up_to: Annotated[float, Field(allow_inf_nan=False)] | None = 1.0


class PickSpec(StrictModel, frozen=True):
    """Which rows of a group a round trains on.

    Attributes:
        rate: share of them, in each task; rounded up or down at random, so that it is right on average.
        per: what a task is: a ``source``, or all rows are one (``none``).
        most_uses: how often a row is trained on, at most.
        order: which come first: those of the ``highest`` utility, as published; those nearest to its median
            (``middle``); or any (``random``).
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.015
    per: Literal["source", "none"] = "source"
    most_uses: Annotated[int, Field(ge=1)] = 1
    order: Order = "random"


class UtilitySpec(StrictModel, frozen=True):
    """What a row is worth.

    Attributes:
        start: the score that it is before a row is trained on; none: the loss of the model, ``<model>.nll``.
        history: weight of what was thought before, against the loss that was read.
        delta: how the change of the loss by the step is told: ``own``, ``minnorm`` as published, ``secant``, ``none``.
        least_fall: share of its first loss by which that of a row must have fallen when it is read again, or it has no
            more utility; none: rows are never given up.
    """

    start: ScoreName | None = None
    history: Annotated[float, Field(ge=0, le=1)] = 0.1
    delta: Delta = "own"
    least_fall: Annotated[float, Field(ge=0, lt=1)] | None = 0.0


class LeadSpec(TrainedLoopSpec, frozen=True):
    """A selection inside a training, in ``loops/<name>.yaml``: a bandit chooses the group, utilities the rows.

    Attributes:
        kind: ``lead``.
        groups: between which the bandit chooses.
        rounds: how many there are at most; fewer where the budget is reached before.
        budget: how many distinct rows are chosen.
        bandit: how groups are chosen.
        pick: which rows of a group are trained on.
        utility: what a row is worth.
    """

    kind: Literal["lead"]
    groups: GroupsSpec = GroupsSpec()
    rounds: Annotated[int, Field(ge=1)] = 60
    budget: LoopBudget = LoopBudget(fraction=0.035)
    bandit: Exp3Spec = Exp3Spec()
    pick: PickSpec = PickSpec()
    utility: UtilitySpec = UtilitySpec()
    paper: str = "LEAD: Iterative Data Selection for Efficient LLM Instruction Tuning (arXiv 2505.07437)"

    @model_validator(mode="after")
    def _bounds(self) -> "LeadSpec":
        low, high = self.groups.above, self.groups.up_to
        if low is not None and high is not None and low >= high:
            raise ValueError(f"groups.above {low} must be below groups.up_to {high}")
        return self

    @property
    def by(self) -> str:
        """The score that groups are clusters of."""
        return self.groups.by or f"{self.model}.ifd_loss_ratio"

    @property
    def start(self) -> str:
        """The score that the utility of a row is at first."""
        return self.utility.start or f"{self.model}.nll"

    @property
    def scores(self) -> tuple[str, ...]:
        """Scores and columns of the pool that it reads."""
        return (self.by, self.start)
