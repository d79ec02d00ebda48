"""What a file refers to and is not there, in words.

Belongs here: scores, what scores and recipes need, why there are no clusters. Does not: which files are asked
(``rules``).
"""

from collections.abc import Iterable, Iterator, Mapping

from datasel_assets.indicators.score_kind import Need
from datasel_assets.indicators.score_kinds import kind_of, score_name
from datasel_assets.registry.base import no_such_file
from datasel_assets.registry.registry import Registry
from datasel_assets.registry.score import BY_TURN, has_turns
from datasel_assets.schema import suggestion
from datasel_assets.specs.loop import FAMILY as LOOPS
from datasel_assets.specs.recipe import OWN_GROUPS, RecipeSpec
from datasel_assets.specs.score import ScoreSpec

DUPLICATES_FILE = "duplicates.yaml"

_FOLDER = {
    "example": "targets",
    "gradients": "gradients",
    "gradient_table": "gradients",
    "runs": "runs",
    "vector": "representations",
    "cluster": "representations",
    "distance": "representations",
    "category": "categories",
}
"""What a score needs -> the folder that it is in."""


def unknown_score(names: Iterable[str], registry: Registry, known: Mapping[str, str]) -> str | None:
    """Return what to say about the first name that is not a score of this data folder, or None.

    Args:
        names: scores or columns of the pool.
        registry: is asked for neighbours.
        known: every score, from :meth:`Registry.score_keep`.
    """
    for name in sorted(names):
        if name.startswith("neighbours."):
            if problem := registry.unsettled("neighbours"):
                return f"it reads neighbour scores: {problem}"
            if not registry.neighboured:
                return "it reads neighbour scores, but no file in representations/ says 'neighbours: true'"
        if "." in name and name not in known:
            family = name.split(".")[0]
            siblings = [other for other in known if other.startswith(f"{family}.")]
            hint = suggestion(name, list(known))
            if not siblings:
                families = sorted({other.split(".")[0] for other in known})
                hint = f": there is no family {family!r}; there are {', '.join(families)}"
            return f"there is no score {name!r}{hint}"
    return None


def made_for_recipes_alone(names: Iterable[str], registry: Registry) -> str | None:
    """Return what to say about the first score that is only made where a recipe reads it, or None."""
    costly = {score_name(name, spec) for name, spec in registry.scores.items() if kind_of(spec).made_when_read}
    asked = {*registry.dynamics, *registry.answers, *registry.labels, LOOPS}
    for name in sorted(names):
        if name in costly or name.partition(".")[0] in asked:
            return f"it reads {name}, which is made only where a recipe reads it; name a score that is always there"
    return None


def lacks(spec: ScoreSpec, registry: Registry) -> str | None:
    """Return what a score needs beside other scores and is not there, in words."""
    absent = (_absent(need, registry) for need in kind_of(spec).needs(spec))
    return next(filter(None, (*absent, _without_turns(spec, registry))), None)


def _without_turns(spec: ScoreSpec, registry: Registry) -> str | None:
    """Return, in words, which score has no values of single turns where they are asked for."""
    kind = kind_of(spec)
    lacking = [name for name in kind.reads(spec) if kind.by_turn and not has_turns(name, registry.scores)]
    if not lacking:
        return None
    return (
        f"inputs: {lacking[0]!r} has no values of single turns; the columns of one side in {' and '.join(BY_TURN)} "
        "have them, and scores with 'how: given' that say 'turns'"
    )


def _absent(need: Need, registry: Registry) -> str | None:
    folder = _FOLDER.get(need.what)
    there = getattr(registry, folder) if folder else ()
    if folder and need.name is not None and need.name not in there:
        return no_such_file(need.key, need.name, folder, there)
    if need.what not in ("cluster", "distance"):
        return None
    if need.name is None:
        if registry.clustered:
            return None
        problem = registry.unsettled("clusters")
        return f"{need.key} needs " + (problem or "a file in representations/ with a 'clusters:' block")
    clustered = registry.candidates("clusters")
    if need.name in clustered:
        return None
    return f"{need.key}: {need.name!r} has no 'clusters:' block; those with one: {', '.join(clustered) or 'none'}"


def dangling(spec: RecipeSpec, registry: Registry, known: Mapping[str, str]) -> Iterator[str]:
    """Yield what a recipe refers to that does not exist, in words."""
    needs = spec.requires()
    for key, folder, named, there in (
        ("representation", "representations", needs.representations, registry.representations),
        ("target", "targets", {target for _, target in needs.targets}, registry.targets),
        ("tags", "tags", needs.tags, registry.tags),
    ):
        for unknown in sorted(named - set(there)):
            yield no_such_file(key, unknown, folder, there)
    for unknown in sorted(needs.categories - set(registry.categories)):
        yield no_such_file("groups", unknown, "categories", [*OWN_GROUPS, *registry.categories])
    if needs.clusters and not registry.clustered:
        yield f"it needs clusters{why_no_clusters(registry)}"
    if needs.duplicates and registry.duplicates is None:
        yield f"it drops {needs.duplicates[0]}s, but {DUPLICATES_FILE} cannot be read"
    if "semantic_duplicate" in needs.duplicates and not registry.clustered:
        yield f"it drops semantic duplicates{why_no_clusters(registry)}"
    if problem := unknown_score(needs.scores, registry, known):
        yield problem


def why_no_clusters(registry: Registry) -> str:
    """Return why no clusters are meant, as the end of a sentence about what needs them."""
    if problem := registry.unsettled("clusters"):
        return f": {problem}"
    return ", but no file in representations/ has a 'clusters:' block"
