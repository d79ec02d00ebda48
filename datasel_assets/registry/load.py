"""Read all registry folders of one data folder. Belongs here: what must agree across files. Not: single files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasel_assets.indicators.blend import BlendSpec
from datasel_assets.indicators.declared import ScoreSpec
from datasel_assets.recipes.schema import OWN_GROUPS, RecipeSpec
from datasel_assets.registry.base import load_folder, no_such_file
from datasel_assets.registry.categories import CategoriesSpec
from datasel_assets.registry.duplicates import FILE as DUPLICATES_FILE
from datasel_assets.registry.duplicates import DuplicatesSpec, load_duplicates
from datasel_assets.registry.evaluation import EvaluationSpec
from datasel_assets.registry.language_model import LanguageModelSpec
from datasel_assets.registry.proxy_eval import FILE as PROXY_EVAL_FILE
from datasel_assets.registry.proxy_eval import ProxyEvalSpec, load_proxy_eval
from datasel_assets.registry.representation import RepresentationSpec
from datasel_assets.registry.score import RESERVED, score_errors, score_keep, spec_model, unreadable
from datasel_assets.registry.source import SourceSpec
from datasel_assets.registry.tags import TagsSpec
from datasel_assets.registry.target import TargetSpec
from datasel_assets.schema import StrictModel

FOLDERS: Mapping[str, type[StrictModel] | Callable[[dict[str, Any]], type[StrictModel]]] = {
    "sources": SourceSpec,
    "targets": TargetSpec,
    "representations": RepresentationSpec,
    "evaluations": EvaluationSpec,
    "language_models": LanguageModelSpec,
    "scores": spec_model,
    "tags": TagsSpec,
    "categories": CategoriesSpec,
    "recipes": RecipeSpec,
}
"""Folder -> what each of its files says, or what tells it from the file. ``Registry`` has a field for each."""

FILES: Mapping[str, type[StrictModel]] = {DUPLICATES_FILE: DuplicatesSpec, PROXY_EVAL_FILE: ProxyEvalSpec}
"""File that need not be there -> what it says. ``Registry`` has a field for each, without ``.yaml``."""

CONTROL_ARMS = {
    sampler: RecipeSpec.model_validate(
        {
            "doc": f"Control arm: {what}. Built in, because recipes/ has no file of this name.",
            "paper": "baseline",
            "select": {"sampler": sampler},
            "budget": {"fraction": 0.035},
        }
    )
    for sampler, what in (("random", "a uniform sample"), ("longest", "the rows with the longest responses"))
}
"""Recipes that exist without a file."""

COLLIDES = "its name differs from another file only in '-' and '_'; rename one of them"


@dataclass(frozen=True)
class Registry:
    """The valid registry files by name, and what is wrong with the others.

    Attributes:
        errors: file relative to the data folder -> one message naming the key and what is allowed.
        source_names: every source that has a file, readable or not.
    """

    sources: Mapping[str, SourceSpec]
    targets: Mapping[str, TargetSpec]
    representations: Mapping[str, RepresentationSpec]
    language_models: Mapping[str, LanguageModelSpec]
    scores: Mapping[str, ScoreSpec]
    recipes: Mapping[str, RecipeSpec]
    evaluations: Mapping[str, EvaluationSpec]
    tags: Mapping[str, TagsSpec]
    categories: Mapping[str, CategoriesSpec]
    duplicates: DuplicatesSpec | None
    proxy_eval: ProxyEvalSpec | None
    errors: Mapping[str, str]
    source_names: frozenset[str]

    def score_keep(self) -> dict[str, str]:
        """Return every score of this data folder with the values that are kept: high, low or mid."""
        return score_keep(self.scores, self.language_models, self.tags)

    @property
    def aims(self) -> list[str]:
        """Return the targets that say what the training should be good at: all but the seed examples of categories."""
        return sorted(set(self.targets) - {spec.target for spec in self.categories.values()})

    @property
    def clustered(self) -> str | None:
        """Return the representation by whose clusters recipes are balanced and compared, or None."""
        names = sorted(name for name, spec in self.representations.items() if spec.clusters)
        return names[0] if names else None

    @property
    def quality(self) -> str | None:
        """Return the score that stands for quality where recipes are compared: the first blend, or None."""
        blends = sorted(name for name, spec in self.scores.items() if isinstance(spec, BlendSpec))
        return f"blend.{blends[0]}" if blends else None

    @property
    def tagged(self) -> str | None:
        """Return the tags by which recipes are compared, or None."""
        names = sorted(self.tags)
        return names[0] if names else None

    @property
    def proxy(self) -> str | None:
        """Return the proxy language model that selections are tried out with, or None."""
        if self.proxy_eval and self.proxy_eval.model:
            return self.proxy_eval.model
        names = sorted(name for name, spec in self.language_models.items() if spec.is_local)
        return names[0] if names else None

    @property
    def neighboured(self) -> str | None:
        """Return the representation by which neighbours are found, or None."""
        names = sorted(name for name, spec in self.representations.items() if spec.neighbours)
        return names[0] if names else None


def load_registry(data: Path) -> Registry:
    """Read the registry folders and ``duplicates.yaml`` under ``data``; a bad file never hides the others."""
    sources = load_folder(data / "sources", SourceSpec)
    targets = load_folder(data / "targets", TargetSpec, missing_ok=True)
    representations = load_folder(data / "representations", RepresentationSpec, missing_ok=True)
    evaluations = load_folder(data / "evaluations", EvaluationSpec, missing_ok=True)
    language_models = load_folder(data / "language_models", LanguageModelSpec, missing_ok=True)
    scores = load_folder(data / "scores", spec_model, missing_ok=True)
    tags = load_folder(data / "tags", TagsSpec, missing_ok=True)
    categories = load_folder(data / "categories", CategoriesSpec, missing_ok=True)
    recipes = load_folder(data / "recipes", RecipeSpec, missing_ok=True)
    errors = {
        f"{folder}/{name}.yaml": message
        for folder, loaded in (
            ("sources", sources),
            ("targets", targets),
            ("representations", representations),
            ("evaluations", evaluations),
            ("language_models", language_models),
            ("scores", scores),
            ("tags", tags),
            ("categories", categories),
            ("recipes", recipes),
        )
        for name, message in loaded.errors.items()
    }
    duplicates, message = load_duplicates(data)
    if message:
        errors[DUPLICATES_FILE] = message
    proxy_eval, message = load_proxy_eval(data)
    wanted = proxy_eval.model if proxy_eval else None
    if wanted and not (wanted in language_models.specs and language_models.specs[wanted].is_local):
        proxies = sorted(name for name, spec in language_models.specs.items() if spec.is_local)
        message = f"{PROXY_EVAL_FILE}: model: {wanted!r} is not a proxy; there are: {', '.join(proxies) or 'none'}"
        proxy_eval = None
    if message:
        errors[PROXY_EVAL_FILE] = message
    # The control arms are always there, so that no method goes without a baseline.
    recipes.specs.update({n: s for n, s in CONTROL_ARMS.items() if n not in recipes.specs and n not in recipes.errors})
    known = dict(representations.specs)
    for name in _colliding(known):
        errors[f"representations/{name}.yaml"] = f"representations/{name}.yaml: {COLLIDES}"
        del known[name]
    for name in _sharing_a_table(known):
        errors[f"representations/{name}.yaml"] = (
            f"representations/{name}.yaml: encoder: {known[name].encoder.model!r} would share its table "
            f"{known[name].encoder.slug!r} with another model of that base name; copy one of them to a folder "
            "of another name, or give it a revision"
        )
        del known[name]
    known_evaluations = dict(evaluations.specs)
    for name in _colliding(known_evaluations):
        errors[f"evaluations/{name}.yaml"] = f"evaluations/{name}.yaml: {COLLIDES}"
        del known_evaluations[name]
    for name, spec in list(known_evaluations.items()):
        if spec.embedding and spec.embedding.representation not in known:
            errors[f"evaluations/{name}.yaml"] = f"evaluations/{name}.yaml: " + no_such_file(
                "embedding.representation", spec.embedding.representation, "representations", known
            )
            del known_evaluations[name]
    models = dict(language_models.specs)
    for name in {*_colliding(models), *(RESERVED & set(models))}:
        what = f"the name {name!r} belongs to another family of scores; rename it" if name in RESERVED else COLLIDES
        errors[f"language_models/{name}.yaml"] = f"language_models/{name}.yaml: {what}"
        del models[name]
    known_tags = dict(tags.specs)
    for name in _colliding(known_tags):
        errors[f"tags/{name}.yaml"] = f"tags/{name}.yaml: {COLLIDES}"
        del known_tags[name]
    known_categories = dict(categories.specs)
    for name, message in _unusable_categories(known_categories, known, targets.specs).items():
        errors[f"categories/{name}.yaml"] = f"categories/{name}.yaml: {message}"
        del known_categories[name]
    declared = dict(scores.specs)
    while broken := score_errors(declared, models, known, targets.specs, known_tags) | dict.fromkeys(
        _colliding(declared), COLLIDES
    ):
        # One at a time: a score that reads a broken one is reported as reading what does not exist.
        name = min(broken)
        errors[f"scores/{name}.yaml"] = f"scores/{name}.yaml: {broken[name]}"
        del declared[name]
    by = duplicates.near.score if duplicates else None
    if by and (message := unreadable((by,), known, score_keep(declared, models, known_tags))):
        errors[DUPLICATES_FILE], duplicates = f"{DUPLICATES_FILE}: near.score: {message}", None
    good = {}
    every_score = score_keep(declared, models, known_tags)
    colliding = _colliding(recipes.specs)
    for name, spec in recipes.specs.items():
        message = (
            COLLIDES
            if name in colliding
            else _dangling(spec, known, targets.specs, every_score, duplicates, known_tags, known_categories)
        )
        if message:
            errors[f"recipes/{name}.yaml"] = f"recipes/{name}.yaml: {message}"
        else:
            good[name] = spec
    return Registry(
        sources=sources.specs,
        targets=targets.specs,
        representations=known,
        language_models=models,
        scores=declared,
        recipes=good,
        evaluations=known_evaluations,
        tags=known_tags,
        categories=known_categories,
        duplicates=duplicates,
        proxy_eval=proxy_eval,
        errors=errors,
        source_names=frozenset(sources.specs) | frozenset(sources.errors),
    )


def _colliding(names: Mapping[str, object]) -> list[str]:
    """Return names that would share a Dagster op name with an earlier one ("a-b" and "a_b")."""
    seen: set[str] = set()
    found = []
    for name in sorted(names):
        plain = name.replace("-", "_")
        if plain in seen:
            found.append(name)
        seen.add(plain)
    return found


def _sharing_a_table(representations: Mapping[str, RepresentationSpec]) -> list[str]:
    """Return representations whose encoder has the table name of an earlier, different one (owners differ only)."""
    seen: dict[str, dict[str, object]] = {}
    found = []
    for name, spec in sorted(representations.items()):
        if seen.setdefault(spec.encoder.slug, spec.encoder.identity()) != spec.encoder.identity():
            found.append(name)
    return found


def _unusable_categories(
    specs: Mapping[str, CategoriesSpec],
    representations: Mapping[str, RepresentationSpec],
    targets: Mapping[str, TargetSpec],
) -> dict[str, str]:
    """Return files of categories that cannot be used, with the reason."""
    found = dict.fromkeys(_colliding(specs), COLLIDES)
    for name, spec in specs.items():
        for key, named, there in (
            ("representation", spec.representation, representations),
            ("target", spec.target, targets),
        ):
            if named not in there:
                found[name] = no_such_file(key, named, f"{key}s", there)
        if name in OWN_GROUPS:
            found[name] = f"every pool has the group {name!r} already; rename the file"
    return found


def _dangling(
    spec: RecipeSpec,
    representations: Mapping[str, RepresentationSpec],
    targets: Mapping[str, TargetSpec],
    scores: Mapping[str, str],
    duplicates: DuplicatesSpec | None,
    tags: Mapping[str, TagsSpec],
    categories: Mapping[str, CategoriesSpec],
) -> str | None:
    """Return what a recipe refers to that does not exist, in words."""
    needs = spec.requires()
    for key, folder, named, there in (
        ("representation", "representations", needs.representations, representations),
        ("target", "targets", {target for _, target in needs.targets}, targets),
        ("tags", "tags", needs.tags, tags),
    ):
        if unknown := sorted(named - set(there)):
            return no_such_file(key, unknown[0], folder, there)
    if unknown := sorted(needs.categories - set(categories)):
        return no_such_file("groups", unknown[0], "categories", [*OWN_GROUPS, *categories])
    if needs.clusters and not any(r.clusters for r in representations.values()):
        return "it needs clusters, but no file in representations/ has a 'clusters:' block"
    clustered = any(r.clusters for r in representations.values())
    if needs.duplicates and duplicates is None:
        return f"it drops {needs.duplicates[0]}s, but {DUPLICATES_FILE} cannot be read"
    if "semantic_duplicate" in needs.duplicates and not clustered:
        return "it drops semantic duplicates, but no file in representations/ has a 'clusters:' block"
    return unreadable(needs.scores, representations, scores)
