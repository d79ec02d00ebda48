"""``data/dynamics/*.yaml``: what happens to each row while a model is trained. Not here: the training."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.training import TrainingSpec

Event = Literal["token_share", "loss_drop"]


class ClassifierSpec(StrictModel, frozen=True):
    """A small classifier of a row's label by its vector, trained despite wrong labels (IDO).

    Attributes:
        hidden: widths of the hidden layers; none: a linear classifier.
        epochs: of the first stage, in which wrong predictions are counted; its end is chosen by how many predictions
            still change.
        second_epochs: of the second stage, in which every row weighs by how clean it looks; 0: none.
        batch_rows: rows of a step.
        learning_rate: the highest; it falls along a cosine.
        weight_decay: of AdamW.
        dropout: share of the hidden values that are zeroed while it learns.
        weak: share of the features that are zeroed in the weak view of a row.
        strong: the same in the strong view.
        noise: standard deviation of what is added to the features of the strong view, times that of the features.
        per_class: one mixture for every label with at least 50 rows; the others share one.
        iterations: of the fit of a mixture after the first stage; more of them give another answer (see the docs).
    """

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (256, 256)
    epochs: int = Field(default=10, ge=2)
    second_epochs: int = Field(default=10, ge=0)
    batch_rows: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    weak: float = Field(default=0.05, ge=0, lt=1)
    strong: float = Field(default=0.3, ge=0, lt=1)
    noise: float = Field(default=0.1, ge=0)
    per_class: bool = False
    iterations: int = Field(default=20, ge=1)


class PlantedSpec(StrictModel, frozen=True):
    """Rows that are made wrong on purpose in a training of its own, to see which numbers find them.

    Attributes:
        share: of the rows that get the response (or the label) of another row.
        least_auc: numbers that find them worse than this are no ground for a cut.
    """

    share: float = Field(default=0.1, gt=0, lt=0.5)
    least_auc: float = Field(default=0.6, ge=0.5, le=1)


class DynamicsSpec(StrictModel, frozen=True):
    """A training of which every presentation of every row is remembered; its file name is a family of scores.

    Nothing is trained until somebody asks for the table, or a recipe in ``recipes/`` reads one of its columns.

    Attributes:
        doc: what it is for.
        model: a file of ``language_models/``: it is trained further on the rows.
        representation: a file of ``representations/``: a classifier of ``label`` is trained on its vectors.
        label: field of the records (among those that the conversation is not made of) that is the row's label;
            ``source`` or ``cluster`` name what every row has; goes with ``representation``.
        rows: at most so many rows of the pool, by the hash of their id.
        epochs: how often each row is presented to the language model.
        event: when a presentation of a response counts as right: at least ``threshold`` of its tokens are what the
            model would have written (``token_share``), or its loss lies at least ``threshold`` times the first loss
            below it (``loss_drop``).
        threshold: see ``event``; 0.5 and 0.05 unless said otherwise.
        second_split: train on one half of the rows, then on the other, and remember how the first is forgotten. Only
            rows of the first half have scores.
        training: how the language model is trained.
        classifier: how the classifier is trained.
        planted: how the page finds out which columns tell right rows from wrong ones; null: it does not, and suggests
            no cut. It takes another training.
        seed: of the sample.
    """

    doc: str = ""
    model: Slug | None = None
    representation: Slug | None = None
    label: Annotated[str, Field(min_length=1)] | None = None
    rows: int = Field(default=20_000, ge=2)
    epochs: int = Field(default=5, ge=2)
    event: Event = "token_share"
    threshold: float | None = Field(default=None, gt=0, le=1)
    second_split: bool = False
    training: TrainingSpec | None = None
    classifier: ClassifierSpec | None = None
    planted: PlantedSpec | None = PlantedSpec()
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)

    @model_validator(mode="after")
    def _one_kind(self) -> "DynamicsSpec":
        if (self.model is None) == (self.representation is None):
            raise ValueError("give one of 'model' (a language model is trained) and 'representation' (a classifier is)")
        of_text, of_label = {"epochs", "event", "threshold", "second_split", "training"}, {"label", "classifier"}
        stray = sorted(self.model_fields_set & (of_label if self.model else of_text))
        if stray:
            raise ValueError(f"{', '.join(map(repr, stray))} go with {'representation' if self.model else 'model'!r}")
        if self.representation and self.label is None:
            raise ValueError("'representation' needs 'label': the field of the records that the classifier learns")
        return self

    @property
    def right_from(self) -> float:
        """Where a presentation begins to count as right."""
        return self.threshold if self.threshold is not None else {"token_share": 0.5, "loss_drop": 0.05}[self.event]
