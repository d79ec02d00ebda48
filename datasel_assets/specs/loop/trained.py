"""What loops that train a model as they go have in common in YAML. Not here: any kind of loop."""

from typing import Annotated

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.loop.base import LoopBase
from datasel_assets.specs.training import TrainingSpec


class LoopBudget(StrictModel, frozen=True):
    """How many distinct rows a loop chooses: exactly one of the two.

    Attributes:
        rows: so many.
        fraction: share of the rows of the pool, rounded to the nearest; at least 1.
    """

    rows: Annotated[int, Field(ge=1, strict=True)] | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "LoopBudget":
        if (self.rows is None) == (self.fraction is None):
            raise ValueError("give one of 'rows' and 'fraction'")
        return self

    def of(self, pool_rows: int) -> int:
        """Return the number of rows."""
        return self.rows if self.rows is not None else max(1, int((self.fraction or 0.0) * pool_rows + 0.5))


class TrainedLoopSpec(LoopBase, frozen=True):
    """A loop that trains a model on what it chooses.

    Attributes:
        model: a file of ``language_models/``; a copy of it is trained.
        training: how the model is trained. The learning rate goes by the share of the loop that is done.
        held_out: rows of the pool, by the hash of their id and at most a fifth of it, that are never chosen, and on
            which the loss is measured as the loop goes on; 0: none.
        hours: longest time that the loop may take. One that promises to take longer does not begin; one that does
            take longer stops with what it has written, and goes on from there when there is more time.
        keep_model: leave the trained model in ``loop_models/<name>`` of the warehouse, where a file of
            ``language_models/`` can name it.
        seed: of whatever is drawn.
    """

    model: Slug
    training: TrainingSpec = TrainingSpec()
    held_out: Annotated[int, Field(ge=0)] = 200
    hours: Annotated[float, Field(gt=0)] = 2.0
    keep_model: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """(key, folder, name) of the files that it cannot do without."""
        return (("model", "language_models", self.model),)
