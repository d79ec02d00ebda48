"""Scores by gradients in ``data/scores/*.yaml``: what a training step on a row does to a loss, and how long it is.

Belongs here: what such a file may say. Does not: which gradients there are (``gradients``), other scores (``score``).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel


class ProbesSpec(StrictModel, frozen=True):
    """Exact values of a few rows, from which those of all others are estimated (MATES).

    Attributes:
        rows: of the pool, by the hash of their id, whose value is computed exactly.
        representation: whose vectors the others are estimated from, by ridge regression.
        scores: numbers that the estimate is made from besides: scores, or columns of the pool.
        seed: another seed, other rows.
    """

    rows: Annotated[int, Field(ge=20)] = 2000
    representation: Slug
    scores: tuple[str, ...] = ("n_tokens", "n_response_tokens")
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0


class InfluenceSpec(StrictModel, frozen=True):
    """A score toward a target, in ``scores/<name>.yaml``: what a training step on a row does to the target's loss.

    It is computed with the whole gradient while the rows are read, never from the stored table of gradients; but for
    ``precondition: gram``, which is defined on that.

    Attributes:
        how: ``influence``.
        gradients: a file of ``gradients/``: model, loss, checkpoints and optimiser. Which numbers of a gradient it
            keeps matters for ``precondition: gram`` alone.
        target: a file name of ``targets/``; one with a ``uri`` is a validation set.
        toward: whose loss counts: that of the ``target``; of the ``pool``, by a hash sample of ``curvature: {rows}`` of
            its rows (MoSo; by ``dot`` beyond what a mean row does, by which rows are compared with it); or of the rows
            that the training of the model has ``held_out``, as many at most (GLISTER), which get no score themselves.
        precondition: ``ekfac``: the target's gradients are divided by the curvature of the loss (influence functions);
            ``gram``: by the Gram matrix of the stored gradients of the pool, all of them projected (TRAK, DsDm);
            ``adam``: by the root of Adam's second moments, the linear part of what ``optimiser: adam`` does to rows;
            ``none``: they are taken as they are (TracIn, LESS).
        similarity: ``cosine`` of both gradients, or their inner product (``dot``), which is the effect of the row as a
            whole. The shorter a row, the more of its effect is that of a few tokens: under a budget of tokens ``dot``
            picks rows of two tokens.
        reduce: ``mean`` over the examples of the target; ``max`` over its tasks of the mean over a task's examples, an
            example without a task being one of its own; or ``round_robin``: the examples take their best rows in turn
            (as RDS+ does by similarity), and the score says when a row is taken, 0 for the first. It compares all rows
            of the pool, so each new row may move the others; no model is run for these.
        checkpoint_weights: where the gradients are those of several checkpoints: by the ``learning_rate`` of the step
            that led to each (TracIn, LESS), or ``equal``.
        probes: for pools that are too large for a backward pass over every row: only so many rows are compared
            exactly, the others are estimated from a representation. The page says how good the estimates are.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["influence"]
    gradients: Slug
    target: Slug | None = None
    toward: Literal["target", "pool", "held_out"] = "target"
    precondition: Literal["none", "gram", "ekfac", "adam"] = "ekfac"
    similarity: Literal["cosine", "dot"] = "cosine"
    reduce: Literal["mean", "max", "round_robin"] = "mean"
    checkpoint_weights: Literal["learning_rate", "equal"] = "learning_rate"
    probes: ProbesSpec | None = None
    doc: str = ""
    paper: str = "Studying Large Language Model Generalization with Influence Functions (arXiv 2308.03296)"

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if (self.target is None) == (self.toward == "target"):
            raise ValueError("give 'target: ...' (a file name of targets/), or 'toward: pool' or 'toward: held_out'")
        if self.reduce != "mean" and self.toward != "target":
            raise ValueError(f"'reduce: {self.reduce}' is over parts of a target: 'toward: {self.toward}' has none")
        if self.reduce == "round_robin" and self.precondition == "gram":
            raise ValueError(
                "'reduce: round_robin' goes with exact influence and not with 'precondition: gram': to take turns by "
                "stored gradients use the sampler round_robin on a representation of them"
            )
        if self.probes and (self.precondition == "gram" or self.reduce == "round_robin"):
            raise ValueError(
                "'probes' estimate exact influence row by row: leave them out, or 'precondition: gram' and "
                "'reduce: round_robin'"
            )
        return self

    @property
    def aim(self) -> str:
        """Whose loss counts, in words."""
        said = {"pool": "the mean row of the pool", "held_out": "the rows that the training of the model held out"}
        return f"`{self.target}`" if self.target is not None else said[self.toward]


class GradientNormSpec(StrictModel, frozen=True):
    """The length of a row's gradient, in ``scores/<name>.yaml``.

    Attributes:
        how: ``gradient_norm``.
        gradients: a file of ``gradients/``. With its loss ``response_sum`` long responses have long gradients, with
            ``response_mean`` short ones.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["gradient_norm"]
    gradients: Slug
    doc: str = ""
    paper: str = "Deep Learning on a Data Diet (GraNd, arXiv 2107.07075)"
