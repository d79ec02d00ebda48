"""What a recipe file may say: drop rules, a sampler with its inputs, a budget, a release.

Belongs here: the YAML's shape, its error messages, and which tables a recipe needs. Does not: carrying it out
(``interpreter``), reading YAML (``registry``).
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from datasel_assets.samplers import SAMPLERS, requires, score_column
from datasel_assets.samplers.stratify import split_params
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.blend import BlendSpec

ScoreColumn = Literal["n_tokens", "n_response_tokens", "n_chars", "response_chars", "prompt_chars", "n_turns"]
"""Columns that the pool has without any indicator."""

_REFERENCE = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*")


def _score_name(name: str) -> str:
    if name not in get_args(ScoreColumn) and not _REFERENCE.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a score: allowed are {', '.join(get_args(ScoreColumn))}, "
            "or <family>.<indicator> such as text.response_mtld"
        )
    return name


ScoreName = Annotated[str, AfterValidator(_score_name)]
"""A column of the pool, or ``<family>.<indicator>``; whether the family and the indicator exist is checked later."""

Format = Literal["messages", "alpaca", "sharegpt"]
BOUNDS = ("below", "above", "below_quantile", "above_quantile")
OWN_GROUPS = ("source", "cluster")
"""Groups that every pool has; others are files in ``categories/``."""

BUDGET_KINDS = ("rows", "fraction", "tokens", "response_tokens")

_Count = Annotated[int, Field(gt=0, strict=True)]
_Limit = Annotated[int, Field(ge=0, strict=True)]
_Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class DropRule(StrictModel):
    """One reason to keep a row out of the selection. Rules apply in the order of the file; the first that fits counts.

    Attributes:
        when: ``duplicate``: the row repeats another one; ``near_duplicate``: it shares most of its words with one;
            ``semantic_duplicate``: its vector is almost that of another one (what counts stands in
            ``duplicates.yaml``); ``contaminated``: it holds an item of an evaluation. Contaminated rows are dropped
            whether a recipe says so or not.
        score: a column of the pool or an indicator, to be compared with the bounds. A missing value fits none.
        below: drop rows whose score is smaller than this.
        above: drop rows whose score is larger than this.
        below_quantile: drop this share of the pool's rows, those with the smallest scores; ties by row_id.
        above_quantile: keep this share of the pool's rows, those with the smallest scores, and drop the others.
        missing: what happens to a row without this score: ``keep`` it, or ``drop`` it.
        source: drop all rows of these sources.
    """

    when: Literal["duplicate", "near_duplicate", "semantic_duplicate", "contaminated"] | None = None
    score: ScoreName | None = None
    below: float | None = None
    above: float | None = None
    below_quantile: _Share | None = None
    above_quantile: _Share | None = None
    missing: Literal["keep", "drop"] = "keep"
    source: tuple[Slug, ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "DropRule":
        kinds = [name for name in ("when", "score", "source") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"a drop rule has exactly one of 'when', 'score', 'source'; found {' and '.join(kinds) or 'none'}"
            )
        bounds = [name for name in BOUNDS if getattr(self, name) is not None]
        if bounds and self.score is None:
            raise ValueError(f"'{bounds[0]}' goes with 'score: <column>' (one of {', '.join(get_args(ScoreColumn))})")
        if self.score is not None and not bounds and self.missing == "keep":
            raise ValueError(f"'score: {self.score}' needs 'below' or 'above', 'below_quantile' or 'above_quantile'")
        if self.score is None and self.missing == "drop":
            raise ValueError("'missing: drop' goes with 'score: <column>'")
        if self.source is not None and not self.source:
            raise ValueError("'source' needs at least one name")
        return self


class SelectSpec(StrictModel):
    """The sampler and its inputs; the sampler's own parameters stand beside these keys in YAML.

    Attributes:
        sampler: a name in ``samplers.SAMPLERS``.
        representation: whose vectors to read; for samplers that need vectors, and only for these.
        target: whose queries to read; for samplers that need queries, and only for these.
        groups: what ``stratify`` takes quotas over: ``source``, ``cluster``, or the name of a file in ``categories/``.
        tags: whose tags to read; for samplers that need tags, and only for these.
        params: the sampler's validated ``Params``.
    """

    INPUTS: ClassVar[dict[str, tuple[str, str]]] = {
        "representation": ("vectors", "a file name of representations/"),
        "target": ("queries", "a file name of targets/"),
        "groups": ("groups", "source, cluster, or a file name of categories/"),
        "tags": ("tags", "a file name of tags/"),
    }
    """Key in YAML -> the part of ``Candidates`` that it fills, and an example."""

    sampler: str
    representation: Slug | None = None
    target: Slug | None = None
    groups: Slug | None = None
    tags: Slug | None = None
    params: Any = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        return split_params(raw, SAMPLERS, known=tuple(name for name in cls.model_fields if name != "params"))

    @model_validator(mode="after")
    def _inputs_match(self) -> "SelectSpec":
        for key, (part, example) in self.INPUTS.items():
            given = getattr(self, key) is not None
            if part in self.reads and not given:
                raise ValueError(f"sampler {self.sampler} needs '{key}: ...' ({example})")
            if given and part not in self.reads:
                raise ValueError(f"sampler {self.sampler} does not use '{key}': remove it")
        if self.score is not None:
            _score_name(self.score)
        return self

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in ("sampler", "params")}
        given = {
            key: value.model_dump() if isinstance(value, StrictModel) else value
            for key, value in own.items()
            if value is not None
        }
        return {"sampler": self.sampler, **given, **self.params.model_dump()}

    @property
    def reads(self) -> frozenset[str]:
        """The parts of ``Candidates`` that the sampler reads."""
        return requires(self.sampler, self.params)

    @property
    def score(self) -> str | None:
        """The column that orders the rows, or None."""
        return score_column(self.sampler, self.params)


class TakeSpec(StrictModel):
    """How many rows a stage lets through: exactly one of the two.

    Attributes:
        rows: at most so many.
        fraction: this share of the rows that reach the stage, rounded half up.
    """

    rows: _Count | None = None
    fraction: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "TakeSpec":
        if (self.rows is None) == (self.fraction is None):
            raise ValueError("'take' has exactly one of 'rows', 'fraction'")
        return self

    def of(self, rows: int) -> int:
        """Return how many of ``rows`` that is."""
        return min(self.rows, rows) if self.rows is not None else int(float(self.fraction or 0) * rows + 0.5)


class StageSpec(SelectSpec):
    """A sampler before the last one: its first rows go on.

    Attributes:
        take: how many rows go on; None: all that the sampler gives, for those that leave rows out by themselves.
    """

    take: TakeSpec | None = None


class VoteSpec(StrictModel):
    """Several samplers over the same rows: those that enough of them take go on.

    Attributes:
        at_least: votes that a row needs: 1 is the union, the number of samplers the intersection.
        of: the samplers.
    """

    at_least: _Count = 1
    of: Annotated[tuple[StageSpec, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _possible(self) -> "VoteSpec":
        if self.at_least > len(self.of):
            raise ValueError(f"at_least: {self.at_least} votes are asked of {len(self.of)} samplers")
        return self


def _kind_of_stage(raw: Any) -> str:
    return "vote" if (isinstance(raw, dict) and "of" in raw) or isinstance(raw, VoteSpec) else "stage"


NarrowSpec = Annotated[
    Annotated[StageSpec, Tag("stage")] | Annotated[VoteSpec, Tag("vote")], Discriminator(_kind_of_stage)
]
"""One step that narrows the pool down before the sampler."""


class SourceLimits(StrictModel):
    """Bounds on what one source gives, in rows or as a share of the selected rows.

    Attributes:
        min_rows: at least so many rows.
        max_rows: at most so many rows.
        min_share: at least this share of the budget's rows, rounded up.
        max_share: at most this share of the budget's rows, rounded down.
    """

    min_rows: _Limit | None = None
    max_rows: _Limit | None = None
    min_share: _Share | None = None
    max_share: _Share | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "SourceLimits":
        for bound in ("min", "max"):
            if getattr(self, f"{bound}_rows") is not None and getattr(self, f"{bound}_share") is not None:
                raise ValueError(f"give {bound}_rows or {bound}_share, not both")
        for unit in ("rows", "share"):
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{unit} {low} is larger than max_{unit} {high}")
        return self

    @property
    def uses_shares(self) -> bool:
        """Whether a bound depends on how many rows the budget is."""
        return self.min_share is not None or self.max_share is not None


class BudgetSpec(StrictModel):
    """How much to select: exactly one of four units, and bounds per source.

    Attributes:
        rows: number of rows.
        fraction: share of the rows of the whole pool, before drop rules, so that recipes with different rules stay
            comparable; rounded to the nearest row (half up), at least 1.
        tokens: total tokens. The selection is the longest prefix of the sampler's order that fits.
        response_tokens: the same, counting tokens of assistant messages.
        per_source: source -> bounds; ``default`` for the sources not named.
    """

    rows: _Count | None = None
    fraction: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None
    tokens: _Count | None = None
    response_tokens: _Count | None = None
    per_source: dict[Slug, SourceLimits] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_unit(self) -> "BudgetSpec":
        given = [name for name in BUDGET_KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(BUDGET_KINDS)}; found {' and '.join(given) or 'none'}")
        shares = [name for name, limits in self.per_source.items() if limits.uses_shares]
        if shares and self.kind not in ("rows", "fraction"):
            raise ValueError(
                f"per_source.{shares[0]} has a share, but a budget in {self.kind} does not fix the number of rows: "
                "use min_rows / max_rows, or a budget in rows or fraction"
            )
        return self

    @property
    def kind(self) -> str:
        """The unit that is set: ``rows``, ``fraction``, ``tokens`` or ``response_tokens``."""
        return next(name for name in BUDGET_KINDS if getattr(self, name) is not None)

    @property
    def amount(self) -> float:
        """The number that is set."""
        return getattr(self, self.kind)


class ReleaseSpec(StrictModel):
    """What a release contains.

    Attributes:
        formats: file formats for trainers: ``messages`` (OpenAI), ``alpaca``, ``sharegpt``.
    """

    formats: tuple[Format, ...] = ("messages",)

    @field_validator("formats")
    @classmethod
    def _some(cls, value: tuple[Format, ...]) -> tuple[Format, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError(f"give at least one of {', '.join(get_args(Format))}, each once")
        return value


@dataclass(frozen=True)
class Needs:
    """The tables that a recipe reads, besides the corpus and the duplicates.

    Attributes:
        representations: whose vectors.
        targets: (representation, target) whose queries.
        clusters: whether the pool's cluster labels are read.
        categories: whose categories.
        tags: whose tags.
        label_graphs: whose label graphs.
        texts: whether the texts are read.
        duplicates: the kinds of duplicates that are dropped, exact ones aside.
        scores: every ``<family>.<indicator>`` that a rule, a sampler or a blend reads.
    """

    representations: frozenset[str] = frozenset()
    targets: frozenset[tuple[str, str]] = frozenset()
    clusters: bool = False
    categories: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    label_graphs: frozenset[str] = frozenset()
    texts: bool = False
    scores: frozenset[str] = frozenset()
    duplicates: tuple[str, ...] = ()


class RecipeSpec(StrictModel):
    """One selection, as a file in ``recipes/`` describes it.

    Attributes:
        doc: what it is for, in a sentence or two.
        paper: where the method comes from (citation or arXiv id), or ``baseline``.
        use: when to use it, in a few words; for the gallery.
        drop: reasons to keep rows out, applied before any sampler.
        narrow: samplers that narrow the pool down, one after the other, before the last one.
        select: the last sampler: which of the rows that are left are preferred.
        budget: how many of them are taken.
        churn: at most this share of the selected rows changes when the recipe is carried out again, as long as the
            previous rows can still be chosen and fill the budget; 1 lets the sampler decide alone. What is selected
            then depends on what was selected before.
        seed: for samplers that are random; another seed gives another draw.
        scores: blends of this recipe alone, used as ``blend.<name>``; those that recipes share stand in ``scores/``.
        release: what is exported.
    """

    doc: str = ""
    paper: str
    use: str = ""
    drop: tuple[DropRule, ...] = ()
    narrow: tuple[NarrowSpec, ...] = ()
    select: SelectSpec
    budget: BudgetSpec
    churn: _Share = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    scores: dict[Slug, BlendSpec] = Field(default_factory=dict)
    release: ReleaseSpec = ReleaseSpec()

    @model_validator(mode="after")
    def _blends_are_plain(self) -> "RecipeSpec":
        for name, own in self.scores.items():
            if own.how == "ols":
                raise ValueError(f"scores.{name}: 'how: ols' reads a file: write it as scores/{name}.yaml")
            nested = [entry.score for entry in own.inputs if entry.score == f"blend.{name}"]
            if nested:
                raise ValueError(f"scores.{name}: it is made from itself")
            for entry in own.inputs:
                _score_name(entry.score)
        return self

    @field_validator("paper")
    @classmethod
    def _cited(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("say where the method comes from (citation or arXiv id), or 'baseline'")
        return value

    @property
    def stages(self) -> tuple[SelectSpec, ...]:
        """Every sampler of the recipe, the last one last."""
        earlier = [stage.of if isinstance(stage, VoteSpec) else (stage,) for stage in self.narrow]
        return (*(stage for several in earlier for stage in several), self.select)

    def method(self) -> dict[str, Any]:
        """Return what decides the selection: all keys but words and exports, without defaults.

        A measurement of a recipe belongs to this and not to another file of the same name.
        """
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"doc", "paper", "use", "release"})

    def requires(self) -> Needs:
        """Return which tables the recipe reads, so that its asset depends on just those."""
        stages = self.stages
        own = {f"blend.{name}" for name in self.scores}
        read = {rule.score for rule in self.drop} | {stage.score for stage in stages}
        read |= {entry.score for blend in self.scores.values() for entry in blend.inputs}
        return Needs(
            representations=frozenset(stage.representation for stage in stages if stage.representation),
            targets=frozenset((str(stage.representation), stage.target) for stage in stages if stage.target),
            clusters=any(stage.groups == "cluster" for stage in stages),
            categories=frozenset(stage.groups for stage in stages if stage.groups and stage.groups not in OWN_GROUPS),
            tags=frozenset(stage.tags for stage in stages if stage.tags),
            label_graphs=frozenset(str(stage.tags) for stage in stages if "label_graph" in stage.reads),
            texts=any("texts" in stage.reads for stage in stages),
            scores=frozenset(name for name in read if name is not None and "." in name) - own,
            duplicates=tuple(sorted({rule.when for rule in self.drop if rule.when} - {"duplicate", "contaminated"})),
        )
