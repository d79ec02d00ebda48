"""``data/ratio/<recipe>.yaml``: how much of what a recipe selects is enough. Not here: the answer (``runs.knee``)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.training import TrainingSpec

Fraction = Annotated[float, Field(gt=0, le=1)]


class RatioSpec(StrictModel, frozen=True):
    """Trainings on more and more of what a recipe selects, and on random rows beside them.

    The file has the name of the recipe. Nothing is trained until somebody asks for the table; the recipe itself uses
    the answer where it says ``budget: {fraction: from_ratio}``.

    Attributes:
        doc: what it is for.
        model: a file of ``language_models/``: every training starts from it.
        fractions: shares of the rows of the pool, rising.
        seeds: trainings of each share; of random rows each with other rows.
        equal: ``epochs``: every row is seen equally often, and more rows are more steps; ``tokens``: every training
            reads as many tokens, and few rows are seen more often. The first is what a user does; the second says
            whether more rows are worth more than more steps.
        epochs: how often the rows are seen, where these are equal.
        tokens: that each training reads, where these are equal; null: those of ``epochs`` over the largest fraction.
        tolerance: the answer is the smallest fraction whose loss is within so many nats of the best.
        targets: files of ``targets/`` whose responses are an outcome each; null: those by which recipes are compared.
        held_out: at most so many held-out rows of each source are an outcome; 0: none.
        toward: the outcome that the answer is about; null: the mean of the targets, or of the held-out rows where no
            target is an outcome.
        training: how the model is trained.
        max_minutes: as in ``runs/``.
    """

    doc: str = ""
    model: Slug
    fractions: tuple[Fraction, ...] = Field(default=(0.01, 0.02, 0.035, 0.07, 0.15, 0.3, 1.0), min_length=2)
    seeds: int = Field(default=3, ge=2, le=20)
    equal: Literal["epochs", "tokens"] = "epochs"
    epochs: float = Field(default=2.0, gt=0)
    tokens: int | None = Field(default=None, ge=16)
    tolerance: float = Field(default=0.01, gt=0)
    targets: tuple[Slug, ...] | None = None
    held_out: int = Field(default=100, ge=0)
    toward: str | None = None
    training: TrainingSpec = TrainingSpec()
    max_minutes: float = Field(default=120, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if list(self.fractions) != sorted(set(self.fractions)):
            raise ValueError("fractions must rise, each named once")
        if self.tokens is not None and self.equal != "tokens":
            raise ValueError("'tokens' goes with 'equal: tokens'")
        if self.targets == () and not self.held_out:
            raise ValueError("nothing is measured: give targets or held_out")
        return self
