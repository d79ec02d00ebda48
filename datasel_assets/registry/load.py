"""Read all registry folders of one data folder. Belongs here: what must agree across files. Not: single files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasel_assets.recipes.schema import RecipeSpec
from datasel_assets.registry.base import load_folder
from datasel_assets.registry.representation import RepresentationSpec
from datasel_assets.registry.source import SourceSpec
from datasel_assets.registry.target import TargetSpec

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
    recipes: Mapping[str, RecipeSpec]
    errors: Mapping[str, str]
    source_names: frozenset[str]

    @property
    def clustered(self) -> str | None:
        """Return the representation by whose clusters recipes are balanced and compared, or None."""
        names = sorted(name for name, spec in self.representations.items() if spec.clusters)
        return names[0] if names else None


def load_registry(data: Path) -> Registry:
    """Read ``sources targets representations recipes`` under ``data``; a bad file never hides the others."""
    sources = load_folder(data / "sources", SourceSpec)
    targets = load_folder(data / "targets", TargetSpec, missing_ok=True)
    representations = load_folder(data / "representations", RepresentationSpec, missing_ok=True)
    recipes = load_folder(data / "recipes", RecipeSpec, missing_ok=True)
    errors = {
        f"{folder}/{name}.yaml": message
        for folder, loaded in (
            ("sources", sources),
            ("targets", targets),
            ("representations", representations),
            ("recipes", recipes),
        )
        for name, message in loaded.errors.items()
    }
    # The control arms are always there, so that no method goes without a baseline.
    recipes.specs.update({n: s for n, s in CONTROL_ARMS.items() if n not in recipes.specs and n not in recipes.errors})
    known = dict(representations.specs)
    for name in _colliding(known):
        errors[f"representations/{name}.yaml"] = (
            f"representations/{name}.yaml: its name differs from another file only in '-' and '_'; rename one of them"
        )
        del known[name]
    for name in _sharing_a_table(known):
        errors[f"representations/{name}.yaml"] = (
            f"representations/{name}.yaml: encoder: {known[name].encoder.model!r} would share its table "
            f"{known[name].encoder.slug!r} with another model of that base name; copy one of them to a folder "
            "of another name, or give it a revision"
        )
        del known[name]
    good = {}
    colliding = _colliding(recipes.specs)
    for name, spec in recipes.specs.items():
        message = (
            "its name differs from another file only in '-' and '_'; rename one of them"
            if name in colliding
            else _dangling(spec, known, targets.specs)
        )
        if message:
            errors[f"recipes/{name}.yaml"] = f"recipes/{name}.yaml: {message}"
        else:
            good[name] = spec
    return Registry(
        sources=sources.specs,
        targets=targets.specs,
        representations=known,
        recipes=good,
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


def _dangling(
    spec: RecipeSpec, representations: Mapping[str, RepresentationSpec], targets: Mapping[str, TargetSpec]
) -> str | None:
    """Return what a recipe refers to that does not exist, in words."""
    needs = spec.requires()
    if needs.representation and needs.representation not in representations:
        return (
            f"select.representation: {needs.representation!r} is not a valid representation; "
            f"there are: {', '.join(sorted(representations)) or 'none'}"
        )
    if needs.target and needs.target not in targets:
        return (
            f"select.target: {needs.target!r} is not a valid target; there are: {', '.join(sorted(targets)) or 'none'}"
        )
    if needs.clusters and not any(r.clusters for r in representations.values()):
        return "it needs clusters, but no file in representations/ has a 'clusters:' block"
    return None
