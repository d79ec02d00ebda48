"""The registry files of one data folder, as they may be used.

Belongs here: the files by name, what is wrong with the others, and which file is meant where a reader names none. Does
not: reading them (``load``), what must agree between them (``rules``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from datasel_assets.registry.base import no_such_file
from datasel_assets.registry.families import FOLDERS, file_scores
from datasel_assets.registry.score import score_keep
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.blend import BlendSpec
from datasel_assets.specs.categories import CategoriesSpec
from datasel_assets.specs.compute import ComputeSpec
from datasel_assets.specs.defaults import DefaultsSpec
from datasel_assets.specs.documents import DocumentsSpec
from datasel_assets.specs.duplicates import DuplicatesSpec
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.specs.extraction import ExtractionSpec
from datasel_assets.specs.gradients import GradientsSpec
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.specs.loop import LoopSpec
from datasel_assets.specs.proxy_eval import ProxyEvalSpec
from datasel_assets.specs.ratio import RatioSpec
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.specs.runs import RunsSpec
from datasel_assets.specs.score import ScoreSpec
from datasel_assets.specs.source import SourceSpec
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.specs.target import TargetSpec

DEFAULTS_FILE = "defaults.yaml"


class Candidates(NamedTuple):
    """Which files a key of ``defaults.yaml`` may name.

    Attributes:
        folder: where they lie.
        of: whether a file of the folder is one.
        what: how they are told apart from the others of the folder, in words.
    """

    folder: str
    of: Callable[[Any], bool]
    what: str


CANDIDATES: Mapping[str, Candidates] = {
    "clusters": Candidates("representations", lambda spec: spec.clusters is not None, "with a 'clusters:' block"),
    "tags": Candidates("tags", lambda spec: True, "of tags"),
    "quality": Candidates("scores", lambda spec: isinstance(spec, BlendSpec), "that are blends"),
    "neighbours": Candidates("representations", lambda spec: spec.neighbours, "that say 'neighbours: true'"),
    "proxy": Candidates("language_models", lambda spec: spec.is_local, "that are trained on the pool"),
}
"""Key of ``defaults.yaml`` that names one file -> the files that it may name."""


@dataclass(frozen=True)
class Registry:
    """The valid registry files by name, and what is wrong with the others.

    Attributes:
        duplicates, proxy_eval, compute: None where the file cannot be used.
        defaults: which files are meant where a reader names none; empty where the file is absent or cannot be used.
        errors: file relative to the data folder -> one message naming the key and what is allowed.
        source_names: every source that has a file, readable or not.
        people: names in ``labels`` of questions that stand in a file of ``answers/`` which people answer.
    """

    sources: Mapping[str, SourceSpec] = field(default_factory=dict)
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)
    representations: Mapping[str, RepresentationSpec] = field(default_factory=dict)
    language_models: Mapping[str, LanguageModelSpec] = field(default_factory=dict)
    gradients: Mapping[str, GradientsSpec] = field(default_factory=dict)
    dynamics: Mapping[str, DynamicsSpec] = field(default_factory=dict)
    runs: Mapping[str, RunsSpec] = field(default_factory=dict)
    scores: Mapping[str, ScoreSpec] = field(default_factory=dict)
    loops: Mapping[str, LoopSpec] = field(default_factory=dict)
    recipes: Mapping[str, RecipeSpec] = field(default_factory=dict)
    ratio: Mapping[str, RatioSpec] = field(default_factory=dict)
    evaluations: Mapping[str, EvaluationSpec] = field(default_factory=dict)
    tags: Mapping[str, TagsSpec] = field(default_factory=dict)
    categories: Mapping[str, CategoriesSpec] = field(default_factory=dict)
    documents: Mapping[str, DocumentsSpec] = field(default_factory=dict)
    extractions: Mapping[str, ExtractionSpec] = field(default_factory=dict)
    labels: Mapping[str, LabelsSpec] = field(default_factory=dict)
    answers: Mapping[str, AnswersSpec] = field(default_factory=dict)
    duplicates: DuplicatesSpec | None = None
    proxy_eval: ProxyEvalSpec | None = None
    compute: ComputeSpec | None = None
    defaults: DefaultsSpec = field(default_factory=DefaultsSpec)
    errors: Mapping[str, str] = field(default_factory=dict)
    source_names: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    def score_keep(self) -> dict[str, str]:
        """Return every score of this data folder with the values that are kept: high, low or mid."""
        return score_keep(self.scores, self.tags, self.loops) | file_scores(self.families)

    @property
    def families(self) -> dict[str, Mapping[str, Any]]:
        """Return the files whose names are families of scores, by folder."""
        return {folder: getattr(self, folder) for folder in FOLDERS}

    def candidates(self, key: str) -> list[str]:
        """Return the files that a key of ``defaults.yaml`` may name, sorted."""
        folder, of, _ = CANDIDATES[key]
        return sorted(name for name, spec in getattr(self, folder).items() if of(spec))

    def unsettled(self, *keys: str) -> str | None:
        """Return, in words, that a key of ``defaults.yaml`` has to be written or changed, or None.

        What needs the file that is meant by one of ``keys`` cannot be made until then.
        """
        return next((problem for key in keys if (problem := self._problem(key))), None)

    def without(self, file: str, message: str) -> "Registry":
        """Return the registry that does without ``file`` (relative to the data folder) because of ``message``."""
        folder, _, name = file.rpartition("/")
        if folder == "labels":
            file = self.file_of_labels(name.removesuffix(".yaml"))
        errors = {**self.errors, file: f"{file}: {message}"}
        if file == DEFAULTS_FILE:  # what it names well still holds; the rest is unsettled
            return replace(self, errors=errors)
        if not folder:
            return replace(self, errors=errors, **{file.removesuffix(".yaml"): None})
        specs = {other: spec for other, spec in getattr(self, folder).items() if f"{other}.yaml" != name}
        return replace(self, errors=errors, **{folder: specs})

    def file_of_labels(self, name: str) -> str:
        """Return the file, relative to the data folder, that asks people the question of a name."""
        return f"{'answers' if name in self.people else 'labels'}/{name}.yaml"

    @property
    def aims(self) -> list[str]:
        """Return the targets that say what the training should be good at, by which recipes are compared."""
        if self.defaults.comparison is not None:
            return sorted(set(self.defaults.comparison) & set(self.targets))
        return sorted(set(self.targets) - {spec.target for spec in self.categories.values()})

    @property
    def clustered(self) -> str | None:
        """Return the representation by whose clusters recipes are balanced and compared, or None."""
        return self._meant("clusters")

    @property
    def quality(self) -> str | None:
        """Return the score that stands for quality where recipes are compared, a blend, or None."""
        blend = self._meant("quality")
        return f"blend.{blend}" if blend else None

    @property
    def tagged(self) -> str | None:
        """Return the tags by which recipes are compared, or None."""
        return self._meant("tags")

    @property
    def proxy(self) -> str | None:
        """Return the proxy language model that selections are tried out with, or None."""
        return (self.proxy_eval and self.proxy_eval.model) or self._meant("proxy")

    @property
    def neighboured(self) -> str | None:
        """Return the representation by which neighbours are found, or None."""
        return self._meant("neighbours")

    def _meant(self, key: str) -> str | None:
        """Return the file that a key names, or the only one that it could name."""
        if self._problem(key):
            return None
        return getattr(self.defaults, key) or next(iter(self.candidates(key)), None)

    def _problem(self, key: str) -> str | None:
        if key == "comparison":
            absent = sorted(set(self.defaults.comparison or ()) - set(self.targets))
            return no_such_file(key, absent[0], "targets", self.targets) if absent else None
        folder, _, what = CANDIDATES[key]
        there, named = self.candidates(key), getattr(self.defaults, key)
        listed = ", ".join(there)
        if named is not None and named not in there:
            return f"{key}: {folder}/ has no usable file {named}.yaml {what}; there are: {listed or 'none'}"
        if named is None and len(there) > 1 and not (key == "proxy" and self.proxy_eval and self.proxy_eval.model):
            return (
                f"{key}: {folder}/ has several files {what} ({listed}): say which is meant by a line in "
                f"{DEFAULTS_FILE}, such as '{key}: {there[0]}'"
            )
        return None
