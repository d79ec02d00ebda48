"""``data/scores/*.yaml``: scores of which each file makes one column: blends, DSIR, influence, and so on.

Belongs here: what such a file may say. Does not: blends (``blend``, which recipes hold too), what each kind computes
and is made from (``indicators.declared``), the tables.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.blend import BlendSpec

NGRAMS = 2
BUCKETS = 10_000


class DsirSpec(StrictModel, frozen=True):
    """A score toward a target, in ``scores/<name>.yaml``: the DSIR log importance weight of each row.

    Attributes:
        how: ``dsir``.
        target: a file name of ``targets/``.
        n: longest n-gram.
        buckets: how many buckets n-grams are hashed into.
        prior: n-grams in the proportions of the pool that are added to those of the target. 0 as published, for targets
            of many texts. A target of a few examples lacks most n-grams, each of which then costs some ten nats, and
            the weight says little but how short a row is; a prior of a few times the target's own size mends that.
        drift: Jensen-Shannon divergence (bits) of the n-gram distribution of today's pool from the one that the weights
            are made with, from which on the pool is counted again and every row gets another weight. A pool of 52,000
            Alpaca rows reaches 0.02 when a quarter of its n-grams have become those of grade-school maths; the old
            weights then still give 97 % of the best 700 of 20,000 rows.
        sample: rows of the pool (by the hash of their id) that the drift is measured on.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["dsir"]
    target: Slug
    n: Annotated[int, Field(ge=1, le=8)] = NGRAMS
    buckets: Annotated[int, Field(ge=2, le=1 << 24)] = BUCKETS
    prior: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    drift: Annotated[float, Field(gt=0, le=1)] = 0.02
    sample: Annotated[int, Field(ge=1)] = 4000
    doc: str = ""
    paper: str = "Data Selection for Language Models via Importance Resampling (arXiv 2302.03169)"


class PredictabilitySpec(StrictModel, frozen=True):
    """A score of how predictable a row's label is, in ``scores/<name>.yaml``.

    Attributes:
        how: ``predictability``.
        representation: whose vectors the classifier sees.
        label: what it predicts: the ``source`` of a row, or its ``cluster``.
        splits: random splits, each with a classifier of its own.
        train_rows: rows that each is trained on; never more than half of the pool, so that rows are held out.
        remove: how many rows are removed at most before the classifiers are trained again on the rest, and so on, until
            fewer are found to remove; None: nothing is removed, and every row is scored once.
        threshold: rows that are told less often than this are not removed; goes with ``remove``.
        leave: rows that are left at least; goes with ``remove``.
        seed: another seed, other splits.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["predictability"]
    representation: Slug
    label: Literal["source", "cluster"] = "source"
    splits: Annotated[int, Field(ge=1, le=1024)] = 64
    train_rows: Annotated[int, Field(ge=2)] = 10_000
    remove: Annotated[int, Field(ge=1)] | None = None
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.75
    leave: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    doc: str = ""
    paper: str = "Adversarial Filters of Dataset Biases (AFLite, arXiv 2002.04108)"

    @model_validator(mode="after")
    def _together(self) -> "PredictabilitySpec":
        given = {"threshold", "leave"} & self.model_fields_set
        if self.remove is None and given:
            raise ValueError(f"{min(given)!r} goes with 'remove': how many rows are removed in a round")
        return self


class SensitivitySpec(StrictModel, frozen=True):
    """A score for sensitivity sampling, in ``scores/<name>.yaml``.

    Attributes:
        how: ``sensitivity``.
        representation: whose clusters and distances; it needs a ``clusters`` block.
        loss: a score that is a loss, such as ``proxy_lm.nll``; read at the row nearest to each centre only.
        distance_weight: lambda, the change of loss per squared distance.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["sensitivity"]
    representation: Slug
    loss: str
    distance_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    doc: str = ""
    paper: str = "Data-Efficient Learning via Clustering-Based Sensitivity Sampling (arXiv 2402.17327)"


class InfluenceSpec(StrictModel, frozen=True):
    """A score toward a target, in ``scores/<name>.yaml``: what a training step on a row does to the target's loss.

    It is computed with the whole gradient while the rows are read, never from the stored table of gradients.

    Attributes:
        how: ``influence``.
        gradients: a file of ``gradients/``: model and loss. Which numbers of a gradient it keeps does not matter here.
        target: a file name of ``targets/``.
        precondition: ``ekfac``: the target's gradients are divided by the curvature of the loss (influence functions);
            ``none``: they are taken as they are (TracIn, LESS without Adam).
        similarity: ``cosine`` of both gradients, or their inner product (``dot``), which is the effect of the row as a
            whole. The shorter a row, the more of its effect is that of a few tokens: under a budget of tokens ``dot``
            picks rows of two tokens.
        reduce: ``mean`` over the examples of the target, or ``max`` over its tasks of the mean over a task's examples;
            an example without a task is one of its own.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["influence"]
    gradients: Slug
    target: Slug
    precondition: Literal["none", "ekfac"] = "ekfac"
    similarity: Literal["cosine", "dot"] = "cosine"
    reduce: Literal["mean", "max"] = "mean"
    doc: str = ""
    paper: str = "Studying Large Language Model Generalization with Influence Functions (arXiv 2308.03296)"


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


ScoreSpec = BlendSpec | DsirSpec | PredictabilitySpec | SensitivitySpec | InfluenceSpec | GradientNormSpec
"""What a file in ``scores/`` may hold."""
