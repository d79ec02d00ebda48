"""A whole recipe, what it exports, and which tables it reads. Not here: the shape of its parts (one file each)."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from datasel_assets.samplers import gives_weights
from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.blend import BlendSpec
from datasel_assets.specs.recipe.budget import BudgetSpec
from datasel_assets.specs.recipe.drop import DropRule
from datasel_assets.specs.recipe.narrow import NarrowSpec, VoteSpec
from datasel_assets.specs.recipe.select import OWN_GROUPS, SelectSpec
from datasel_assets.specs.recipe.values import Share, score_name

Format = Literal["messages", "alpaca", "sharegpt"]
Weights = Literal["column", "repeat", "drop"]


class ReleaseSpec(StrictModel, frozen=True):
    """What a release contains.

    Attributes:
        formats: file formats for trainers: ``messages`` (OpenAI), ``alpaca``, ``sharegpt``.
        weights: how the weights of a sampler that gives any reach the trainer: ``column`` (``weight``, for trainers
            that read one), ``repeat`` (whole copies of heavy rows, at most 5, for all others) or ``drop``.
        validation: share of the rows of each source that is held back for validation, at most a half: these rows stand
            in files of their own, which the trainer configs evaluate on. Equal conversations stay together.
    """

    formats: tuple[Format, ...] = ("messages",)
    weights: Weights = "column"
    validation: Annotated[float, Field(gt=0, le=0.5)] | None = None

    @field_validator("formats")
    @classmethod
    def _some(cls, value: tuple[Format, ...]) -> tuple[Format, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError(f"give at least one of {', '.join(get_args(Format))}, each once")
        return value

    @model_serializer(mode="wrap")
    def _unsaid(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out weights and validation where nothing is said of them: the versions of other recipes stay."""
        unsaid = {"weights": "column", "validation": None}
        return {key: value for key, value in dump(self).items() if key not in unsaid or value != unsaid[key]}


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


class RecipeSpec(StrictModel, frozen=True):
    """A selection: what to drop, what to prefer, how much of it.

    Attributes:
        doc: what it is for, in a sentence or two.
        paper: where the method comes from (citation or arXiv id), if from anywhere.
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
    paper: str = ""
    use: str = ""
    drop: tuple[DropRule, ...] = ()
    narrow: tuple[NarrowSpec, ...] = ()
    select: SelectSpec
    budget: BudgetSpec
    churn: Share = 1.0
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
                score_name(entry.score)
        return self

    @field_validator("paper")
    @classmethod
    def _cited(cls, value: str) -> str:
        if value and value.isspace():
            raise ValueError("say where the method comes from (citation or arXiv id), or leave the key out")
        return value

    @property
    def stages(self) -> tuple[SelectSpec, ...]:
        """Every sampler of the recipe, the last one last."""
        earlier = [stage.of if isinstance(stage, VoteSpec) else (stage,) for stage in self.narrow]
        return (*(stage for several in earlier for stage in several), self.select)

    @property
    def weights(self) -> Weights | None:
        """How the weights of the rows are released; None where the recipe gives none."""
        return self.release.weights if gives_weights(self.select.params) else None

    def method(self) -> dict[str, Any]:
        """Return what decides the selection: all keys but words and exports, without defaults.

        A measurement of a recipe belongs to this and not to another file of the same name.
        """
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"doc", "paper", "use", "release"})

    def requires(self) -> Needs:
        """Return which tables the recipe reads, so that its asset depends on just those."""
        stages = self.stages
        own = {f"blend.{name}" for name in self.scores}
        read = {name for rule in self.drop for name in rule.scores} | {stage.score for stage in stages}
        read |= {entry.score for blend in self.scores.values() for entry in blend.inputs}
        return Needs(
            representations=frozenset(stage.representation for stage in stages if stage.representation),
            targets=frozenset((str(stage.representation), stage.target) for stage in stages if stage.target),
            clusters=any(stage.groups == "cluster" and stage.recluster is None for stage in stages),
            categories=frozenset(stage.groups for stage in stages if stage.groups and stage.groups not in OWN_GROUPS)
            | {name for rule in self.drop for name in rule.categories},
            tags=frozenset(stage.tags for stage in stages if stage.tags),
            label_graphs=frozenset(str(stage.tags) for stage in stages if "label_graph" in stage.reads),
            texts=any("texts" in stage.reads for stage in stages),
            scores=frozenset(name for name in read if name is not None and "." in name) - own,
            duplicates=tuple(sorted({rule.when for rule in self.drop if rule.when} - {"duplicate", "contaminated"})),
        )
