"""``data/gradients/*.yaml``: of which model, which loss, and what of a gradient is kept. Not here: computing them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.language_model import LanguageModelSpec

KEPT = 2
"""Checkpoints that gradients make a model keep that is trained here, where its file names none."""

Checkpoints = Literal["last", "all"] | tuple[Annotated[int, Field(ge=0)], ...]
Loss = Literal["response_sum", "response_mean"]
Optimiser = Literal["sgd", "adam"]
ProjectionName = Literal["eigenbasis", "two_sided", "count_sketch"]


class CurvatureSpec(StrictModel, frozen=True):
    """How the loss bends around the weights of the model (EK-FAC).

    Attributes:
        rows: rows of the pool, by the hash of their id, that it is estimated from.
        damping: what is added to every eigenvalue before it is divided by, as a share of the mean eigenvalue of its
            layer. Between .001 and .1 it changes little; above 1 it undoes the curvature.
        seed: another seed, other rows.
    """

    rows: int = Field(default=512, ge=2)
    damping: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)


class GradientsSpec(StrictModel, frozen=True):
    """The gradient of the loss of every row, with respect to the linear layers of a model.

    A file makes nothing by itself: its tables are made where a representation or a score in use reads them.

    Attributes:
        doc: what it is for.
        model: a file of ``language_models/``.
        loss: of a row: the sum over its response tokens (``response_sum``, as a training counts it: a row by its
            tokens), or their mean (``response_mean``).
        checkpoints: ``last``: the model itself; ``all`` that its file in ``language_models/`` keeps, or their numbers
            from 0 in the order of training. Influence is then summed over them, weighted by their learning rates. A
            model that is trained here and whose file names none keeps two, once something reads them.
        optimiser: what a row becomes: its gradient (``sgd``), or the step that Adam would take on it where the training
            stood (``adam``, as LESS has it). Gradients of targets stay plain. For models that are trained here, which
            keep what Adam remembers; its second moments are those of mean losses, so ``loss: response_mean`` goes with
            it, under which no row outweighs them by its length.
        projection: which numbers of a gradient are kept. ``eigenbasis``: its coordinates along the directions of most
            curvature; ``two_sided``: each layer's gradient times random signs from both sides; ``count_sketch``: sums
            over random groups of all coordinates, with random signs.
        dims: how many numbers; ``two_sided`` keeps a square number per layer, so fewer.
        seed: of the random signs.
        curvature: how the curvature is estimated.
    """

    doc: str = ""
    model: Slug
    loss: Loss = "response_sum"
    checkpoints: Checkpoints = "last"
    optimiser: Optimiser = "sgd"
    projection: ProjectionName = "eigenbasis"
    dims: int = Field(default=1024, ge=1, le=65_536)
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)
    curvature: CurvatureSpec = CurvatureSpec()

    @model_validator(mode="after")
    def _each_checkpoint_once(self) -> "GradientsSpec":
        named = self.checkpoints
        if isinstance(named, tuple) and (not named or len(set(named)) != len(named)):
            raise ValueError("checkpoints: give 'last', 'all', or numbers from 0, each once, such as [0, 2]")
        return self

    @property
    def several(self) -> bool:
        """Whether they are those of checkpoints, and not of the model itself."""
        return self.checkpoints != "last"

    def of_checkpoints(self, there: int) -> list[int]:
        """Return the numbers of the checkpoints, of a model that keeps ``there``."""
        return list(self.checkpoints) if isinstance(self.checkpoints, tuple) else list(range(there))


def kept_by(model: LanguageModelSpec) -> int:
    """Return how many checkpoints of a model there are for gradients."""
    return model.n_checkpoints or (KEPT if model.is_local else 0)
