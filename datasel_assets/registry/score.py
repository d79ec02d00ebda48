"""Which scores there are, by the name that recipes use: ``<family>.<column>``, ``<kind>.<name>`` for a file.

Belongs here: the list of names with their keep signs, which kind a file in ``scores/`` is, and what is wrong with one
that refers to others. Does not: the indicators (``indicators``), the kinds themselves (``indicators.declared``).
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.declared import KINDS, kind_of, score_name
from datasel_assets.indicators.score_kind import Need
from datasel_assets.indicators.tags import FAMILY as TAGS
from datasel_assets.indicators.tags import tag_indicators
from datasel_assets.indicators.tokens import computable
from datasel_assets.registry.base import RegistryError, no_such_file
from datasel_assets.schema import suggestion
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.specs.score import ScoreSpec

RESERVED = frozenset({*FAMILIES, *KINDS, TAGS})
"""Families that no language model may be named after."""

_FOLDER = {
    "example": "targets",
    "vector": "representations",
    "cluster": "representations",
    "distance": "representations",
}
"""What a score needs -> the folder that it is in."""


def spec_model(document: Mapping[str, Any]) -> type[ScoreSpec]:
    """Return what a file in ``scores/`` must satisfy, by its key ``how``.

    Raises:
        RegistryError: there is no such key, or it names no way to make a score.
    """
    ways = {way: kind.spec for kind in KINDS.values() for way in kind.ways}
    if "how" not in document:
        raise RegistryError(f"how: this key is required. Allowed: {', '.join(ways)}")
    how = document["how"]
    if not isinstance(how, str) or how not in ways:
        raise RegistryError(f"how: {how!r} is not allowed{suggestion(how, list(ways))} Allowed: {', '.join(ways)}")
    return ways[how]


def score_keep(
    declared: Mapping[str, ScoreSpec] = MappingProxyType({}),
    language_models: Mapping[str, LanguageModelSpec] = MappingProxyType({}),
    tags: Iterable[str] = (),
) -> dict[str, str]:
    """Return every score with the values that the literature keeps: ``high``, ``low`` or ``mid``."""
    columns = {
        f"{name}.{indicator}": found.keep
        for name, spec in language_models.items()
        for indicator, found in computable(spec.scored_under).items()
    }
    columns |= {
        f"{family}.{column}": indicator.keep
        for family, indicators in FAMILIES.items()
        for indicator in indicators.values()
        for column in indicator.columns
    }
    columns |= {f"{TAGS}.{column}": indicator.keep for column, indicator in tag_indicators(tags).items()}
    return columns | {score_name(name, spec): kind_of(spec).keep for name, spec in declared.items()}


def unreadable(
    names: Iterable[str], representations: Mapping[str, RepresentationSpec], known: Mapping[str, str]
) -> str | None:
    """Return what to say about the first name that is not a score of this data folder, or None."""
    neighboured = any(found.neighbours for found in representations.values())
    for name in sorted(names):
        if name.startswith("neighbours.") and not neighboured:
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


def score_errors(
    declared: Mapping[str, ScoreSpec],
    language_models: Mapping[str, LanguageModelSpec],
    representations: Mapping[str, RepresentationSpec],
    targets: Iterable[str],
    tags: Iterable[str] = (),
) -> dict[str, str]:
    """Return files of scores that cannot be made, with the reason: what they refer to is not there, or a circle."""
    known = score_keep(declared, language_models, tags)
    errors = {}
    for name, spec in declared.items():
        kind = kind_of(spec)
        absent = (_absent(need, representations, set(targets)) for need in kind.needs(spec))
        message = next(filter(None, absent), None) or unreadable(kind.reads(spec), representations, known)
        if message:
            errors[name] = message
    try:
        score_order(declared)
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        errors |= dict.fromkeys(error.args[1], f"scores are made from each other in a circle: {circle}")
    return errors


def score_order(declared: Mapping[str, ScoreSpec]) -> list[str]:
    """Return the names of declared scores, each after those it reads.

    Raises:
        CycleError: some need each other.
    """
    own = {score_name(name, spec): name for name, spec in declared.items()}
    graph = {
        name: {own[score] for score in kind_of(spec).reads(spec) if score in own}
        for name, spec in sorted(declared.items())
    }
    return list(TopologicalSorter(graph).static_order())


def _absent(need: Need, representations: Mapping[str, RepresentationSpec], targets: set[str]) -> str | None:
    """Return what a score needs beside other scores and is not there, in words."""
    folder = _FOLDER.get(need.what)
    there = targets if folder == "targets" else set(representations)
    if folder and need.name is not None and need.name not in there:
        return no_such_file(need.key, need.name, folder, there)
    if need.what not in ("cluster", "distance"):
        return None
    clustered = sorted(name for name, found in representations.items() if found.clusters)
    if need.name is None:
        return None if clustered else f"{need.key} needs a file in representations/ with a 'clusters:' block"
    if need.name in clustered:
        return None
    return f"{need.key}: {need.name!r} has no 'clusters:' block; those with one: {', '.join(clustered) or 'none'}"
