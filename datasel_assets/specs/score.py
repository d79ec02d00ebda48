"""``data/scores/*.yaml``: scores of which each file makes one column, from those of others to those that users bring.

Belongs here: what such a file may say. Does not: blends (``blend``, which recipes hold too), what each kind computes
and is made from (``indicators.declared``), the tables.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from datasel_assets.runs.estimators import Estimator
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.blend import BlendSpec
from datasel_assets.specs.encoder import DEFAULT_MODEL, EncoderSpec, Pooling, Precision
from datasel_assets.specs.influence import GradientNormSpec, InfluenceSpec

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


class GivenSpec(StrictModel, frozen=True):
    """A score that somebody else has made, in ``scores/<name>.yaml``: a field of the records, or a table of the user.

    Attributes:
        how: ``given``.
        keep: whether ``high``, ``low`` or middling (``mid``) values are good.
        field: where a record holds it, among the fields that the conversation is not made of: ``quality``,
            ``scores.helpful``, ``ratings.0.value``. The fields of single messages are under ``message_fields``.
        table: a ``.parquet`` (also a pattern of several) or ``.csv`` file; a relative path starts from the data folder.
        column: its column of scores.
        key: its column that says whose score it is.
        match: what the keys are: ids of rows; hashes of contents, which copies share; or the texts of prompts.
        turns: how the values of several turns become one, where a value is a list.
        range: the lowest and the highest value that there can be, null where open; a row with another has failed.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["given"]
    keep: Literal["high", "low", "mid"]
    field: Annotated[str, Field(min_length=1)] | None = None
    table: Annotated[str, Field(min_length=1)] | None = None
    column: str = "score"
    key: str = "row_id"
    match: Literal["row_id", "content_hash", "prompt"] = "row_id"
    turns: Literal["mean", "sum", "min", "max"] | None = None
    range: tuple[float | None, float | None] = (None, None)
    doc: str = ""
    paper: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.field is None) == (self.table is None):
            raise ValueError("give one of 'field' (of the records) and 'table' (a file of yours)")
        stray = sorted(self.model_fields_set & {"column", "key", "match"})
        if self.field is not None and stray:
            raise ValueError(f"{', '.join(stray)} belong to 'table' and not to 'field'")
        low, high = self.range
        if low is not None and high is not None and low >= high:
            raise ValueError(f"range must be [lowest, highest], but it is [{low:g}, {high:g}]")
        return self


class SimilaritySpec(StrictModel, frozen=True):
    """A score of how like a target a row is, in ``scores/<name>.yaml``.

    Attributes:
        how: ``similarity``.
        representation: by whose vectors.
        target: a file name of ``targets/``.
        to: the ``nearest`` example, or the ``mean`` over all examples (which ranks rows as their centre does).
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["similarity"]
    representation: Slug
    target: Slug
    to: Literal["nearest", "mean"] = "nearest"
    doc: str = ""
    paper: str = ""


class PairSimilaritySpec(StrictModel, frozen=True):
    """A score of whether an answer is about its question, in ``scores/<name>.yaml``.

    Attributes:
        how: ``pair_similarity``.
        model: a sentence encoder of the pool's language: a local folder, or a name on the Hugging Face hub.
        revision: branch, tag or commit on the hub.
        max_tokens: each side is cut on the right after this many tokens.
        pooling: how a side's tokens become its vector; ``mean`` is what most sentence encoders are trained with.
        precision: as in a representation's ``encoder``.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["pair_similarity"]
    model: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL
    revision: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] = 256
    pooling: Pooling = "mean"
    precision: Precision | Literal["int8"] = "auto"
    doc: str = ""
    paper: str = ""

    @property
    def encoder(self) -> EncoderSpec:
        """The encoder that reads both sides: its last layer, texts as they are."""
        of = self.model_dump(include={"model", "revision", "max_tokens", "pooling", "precision"})
        return EncoderSpec(**of, layers="last", template="plain")


class TurnsSpec(StrictModel, frozen=True):
    """A score made turn by turn, in ``scores/<name>.yaml``: in each turn the product of some scores, then over turns.

    Attributes:
        how: ``turns``.
        inputs: scores with values of single turns: those of ``how: given`` that say ``turns``, and the columns of sides
            in the families ``text`` and ``frequency``. The turns of all inputs must be equally many.
        over: ``sum`` or ``mean`` over the turns.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["turns"]
    inputs: Annotated[tuple[str, ...], Field(min_length=1)]
    over: Literal["sum", "mean"] = "sum"
    doc: str = ""
    paper: str = ""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        repeated = sorted({name for name in self.inputs if self.inputs.count(name) > 1})
        if repeated:
            raise ValueError(f"inputs: the score {repeated[0]!r} is named twice")
        return self


class ByCategorySpec(StrictModel, frozen=True):
    """A score with another scorer for each category, in ``scores/<name>.yaml`` (LASER).

    Attributes:
        how: ``by_category``.
        categories: a file of ``categories/``.
        scores: category -> its score, or several, of which the first counts that the row has. Rows of a category that
            is not named have none.
        quantile_range: each scorer's values, over the rows that it is asked of, are cut off at these quantiles and
            brought to a distance of 1 between them, so that scorers with other scales can be compared; then the whole
            column to 0..1.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["by_category"]
    categories: Slug
    scores: Annotated[dict[str, str | tuple[str, ...]], Field(min_length=1)]
    quantile_range: tuple[float, float] = (0.01, 0.99)
    doc: str = ""
    paper: str = "LASER (arXiv 2505.22157)"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.quantile_range
        if not 0 <= low < high <= 1:
            raise ValueError(f"quantile_range must be two numbers with 0 <= low < high <= 1, but it is [{low}, {high}]")
        return self

    def scorers(self, category: str) -> tuple[str, ...]:
        """Return the scores of a category, the first choice first."""
        named = self.scores.get(category, ())
        return (named,) if isinstance(named, str) else named

    @property
    def reads(self) -> tuple[str, ...]:
        """All scores, each once, sorted."""
        return tuple(sorted({score for category in self.scores for score in self.scorers(category)}))


class ConstraintsKeptSpec(StrictModel, frozen=True):
    """How many of the verifiable demands of a question its answer keeps to, in ``scores/<name>.yaml``.

    Attributes:
        how: ``constraints_kept``.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["constraints_kept"]
    doc: str = ""
    paper: str = "LASER (arXiv 2505.22157), instruction following by rules"


class RunEffectSpec(StrictModel, frozen=True):
    """What the unit of a row does to the outcome of trainings, in ``scores/<name>.yaml``.

    Attributes:
        how: ``run_effect``.
        runs: a file of ``runs/``. Its trainings are carried out where a recipe reads the score.
        toward: an outcome of them: a target, a source, or a name as the page has it; null: the mean of the targets, or
            of the held-out sets where no target is an outcome.
        estimator: one that the file asks for; null: its first.
        only_believed: units whose effect is not told from noise get 0, so that rows are ranked by what is known.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["run_effect"]
    runs: Slug
    toward: str | None = None
    estimator: Estimator | Literal["memorisation"] | None = None
    only_believed: bool = False
    doc: str = ""
    paper: str = "Datamodels: Predicting Predictions from Training Data (arXiv 2202.00622)"

    @model_validator(mode="after")
    def _own_rows(self) -> Self:
        if self.estimator == "memorisation" and self.toward is not None:
            raise ValueError("'toward' does not go with memorisation, which is a unit's effect on its own rows")
        return self


class CleanProbabilitySpec(StrictModel, frozen=True):
    """How likely a row is clean by its wrong predictions in a training, in ``scores/<name>.yaml``.

    Attributes:
        how: ``clean_probability``.
        events: a score that counts wrong predictions, such as ``mine.wrong_events`` of ``dynamics/mine.yaml``.
        by: one mixture for the ``pool``, or for every ``source`` or ``cluster`` with at least 50 rows one of its own.
        iterations: of the fit, which does not converge: more of them find fewer wrong rows.
        smooth: move counts off the edges by half a count, so that no row is wrong for certain.
        doc: what it is for.
        paper: where it comes from.
    """

    how: Literal["clean_probability"]
    events: Annotated[str, Field(min_length=1)]
    by: Literal["pool", "source", "cluster"] = "pool"
    iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    smooth: bool = False
    doc: str = ""
    paper: str = "Handling Label Noise via Instance-Level Difficulty Modeling (IDO, arXiv 2505.00812)"


ScoreSpec = (
    BlendSpec
    | CleanProbabilitySpec
    | ByCategorySpec
    | ConstraintsKeptSpec
    | DsirSpec
    | GivenSpec
    | GradientNormSpec
    | InfluenceSpec
    | PairSimilaritySpec
    | PredictabilitySpec
    | RunEffectSpec
    | SensitivitySpec
    | SimilaritySpec
    | TurnsSpec
)
"""What a file in ``scores/`` may hold."""
