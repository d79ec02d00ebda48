"""``data/runs/*.yaml``: trainings on many parts of the pool. Not here: designs and estimators (``runs``)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datasel_assets.runs.estimators import OF_DESIGN, Estimator
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.training import TrainingSpec

Units = Literal["cluster", "source", "category", "row"]
Probability = Annotated[float, Field(gt=0, lt=1)]

DEFAULT_ESTIMATORS: dict[str, tuple[Estimator, ...]] = {
    "leave_one_out": ("ols",),
    "dirichlet": ("ols", "lasso"),
    "random": ("ols", "lasso", "banzhaf"),
}


class DesignSpec(StrictModel, frozen=True):
    """Which units each training sees.

    Attributes:
        kind: ``random``: each unit is in with a probability; ``leave_one_out``: all units, and all but each of them;
            ``dirichlet``: all units, with random shares of the tokens.
        subsets: how many different parts of the pool are trained on; ``leave_one_out`` has one more than units.
        share: of ``random``: the probability, several that are used in turn, or ``uniform``: another for each subset,
            as Shapley values need it.
        concentration: of ``dirichlet``: the smaller, the further the shares are from those of the pool.
    """

    kind: Literal["random", "leave_one_out", "dirichlet"] = "random"
    subsets: int = Field(default=64, ge=2, le=10_000)
    share: Probability | Annotated[tuple[Probability, ...], Field(min_length=1)] | Literal["uniform"] = 0.5
    concentration: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for key, kinds in (
            ("subsets", ("random", "dirichlet")),
            ("share", ("random",)),
            ("concentration", ("dirichlet",)),
        ):
            if key in self.model_fields_set and self.kind not in kinds:
                raise ValueError(f"{key!r} goes with 'kind: {kinds[0]}'; this design is {self.kind!r}")
        return self


class OutcomesSpec(StrictModel, frozen=True):
    """What is measured after each training: losses on conversations that no training sees.

    Attributes:
        targets: files of ``targets/`` whose responses are an outcome each; null: those by which recipes are compared.
        held_out: at most so many held-out rows of each source are an outcome; 0: none.
        own: so many of the rows of each unit are an outcome too, trained on or not, for memorisation and for the
            influence of units on each other; 0: none.
    """

    targets: tuple[Slug, ...] | None = None
    held_out: int = Field(default=100, ge=0)
    own: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.targets == () and not self.held_out and not self.own:
            raise ValueError("nothing is measured: give targets, held_out or own")
        return self


class RunsSpec(StrictModel, frozen=True):
    """A series of trainings on parts of the pool, to see what each part does to the outcomes.

    Nothing is trained until somebody asks for the table, or a recipe in ``recipes/`` reads a score that is made of it
    (``how: run_effect``).

    Attributes:
        doc: what it is for.
        model: a file of ``language_models/``: every training starts from it.
        units: what is in or out as a whole: the clusters by which recipes are balanced, sources, the categories of a
            file, or single rows.
        categories: a file of ``categories/``; goes with ``units: category``.
        rows: at most so many rows of the pool take part, by the hash of their id; as many units at most where units
            are rows.
        design: which units each training sees.
        tokens: that each training reads, prompts included; the same for all.
        seeds: trainings of each subset; with fewer than two the noise of seeds is not known.
        outcomes: what is measured.
        training: how the model is trained.
        estimators: how effects are worked out; null: those that suit the design. Another choice trains nothing again.
        max_minutes: the series is not begun where its first training shows that it would take longer, and stops there;
            trainings that were made are kept.
        seed: of the sample and the design.
    """

    doc: str = ""
    model: Slug
    units: Units = "cluster"
    categories: Slug | None = None
    rows: int = Field(default=20_000, ge=2)
    design: DesignSpec = DesignSpec()
    tokens: int = Field(default=60_000, ge=16)
    seeds: int = Field(default=2, ge=1, le=20)
    outcomes: OutcomesSpec = OutcomesSpec()
    training: TrainingSpec = TrainingSpec()
    estimators: Annotated[tuple[Estimator, ...], Field(min_length=1)] | None = None
    max_minutes: float = Field(default=120, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.units == "category") != (self.categories is not None):
            raise ValueError("'categories' (a file of categories/) goes with 'units: category', and that needs it")
        suited = OF_DESIGN[self.design.kind]
        stray = [name for name in self.estimators or () if name not in suited]
        if stray:
            raise ValueError(
                f"estimators: {stray[0]} does not suit design {self.design.kind!r}; these do: {', '.join(suited)}"
            )
        return self

    @property
    def estimated_by(self) -> tuple[Estimator, ...]:
        """The estimators that are used, first the one that scores read where they name none."""
        return self.estimators or DEFAULT_ESTIMATORS[self.design.kind]
