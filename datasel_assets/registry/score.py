"""Which scores there are, by the name that recipes use: ``<family>.<column>``, ``<kind>.<name>`` for a file.

Belongs here: the list of names with their keep signs, which kind a file in ``scores/`` is, in which order scores are
made. Does not: the indicators (``indicators``), the kinds themselves (``specs.score``), what is wrong with one
(``rules``).
"""

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from types import MappingProxyType
from typing import Any

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.score_kinds import KINDS, kind_of, score_name
from datasel_assets.indicators.tags import FAMILY as TAGS
from datasel_assets.indicators.tags import tag_indicators
from datasel_assets.registry.base import RegistryError
from datasel_assets.schema import suggestion
from datasel_assets.specs.duplicates import DuplicatesSpec
from datasel_assets.specs.loop import FAMILY as LOOPS
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.specs.score import GivenSpec, ScoreSpec

RESERVED = frozenset({*FAMILIES, *KINDS, LOOPS, TAGS})
"""Families that no file may be named after that makes a family of its own."""

BY_TURN = ("text", "frequency")
"""Families whose indicators of one side are computed for each turn as well."""


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
    tags: Iterable[str] = (),
    loops: Iterable[str] = (),
) -> dict[str, str]:
    """Return every score with the values that the literature keeps: ``high``, ``low`` or ``mid``.

    Those of files that name their own family are told by ``families``.
    """
    columns = {
        f"{family}.{column}": indicator.keep
        for family, indicators in FAMILIES.items()
        for indicator in indicators.values()
        for column in indicator.columns
    }
    columns |= {f"{LOOPS}.{name}": "high" for name in loops}
    columns |= {f"{TAGS}.{column}": indicator.keep for column, indicator in tag_indicators(tags).items()}
    return columns | {score_name(name, spec): kind_of(spec).keep_of(spec) for name, spec in declared.items()}


def has_turns(score: str, declared: Mapping[str, ScoreSpec]) -> bool:
    """Tell whether a score has values of single turns beside the one of the row.

    Args:
        score: its name.
        declared: the files in ``scores/``.
    """
    family, _, column = score.partition(".")
    if family in BY_TURN:
        return any(column in found.columns for found in FAMILIES[family].values() if found.parts)
    spec = declared.get(column)
    return isinstance(spec, GivenSpec) and score == score_name(column, spec) and spec.turns is not None


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


def scores_in_use(
    declared: Mapping[str, ScoreSpec], recipes: Mapping[str, RecipeSpec], duplicates: DuplicatesSpec | None
) -> list[str]:
    """Return the names of the declared scores that are made, each after those it reads.

    That is all of them, but for the costly kinds that are made when they are read: by a recipe, by another score that
    is made, or for deciding which near duplicate stays.
    """
    return _in_use(declared, recipes, duplicates)[0]


def scores_read(
    declared: Mapping[str, ScoreSpec], recipes: Mapping[str, RecipeSpec], duplicates: DuplicatesSpec | None
) -> set[str]:
    """Return the scores that are read: by a recipe, by a declared score that is made, or for near duplicates."""
    return _in_use(declared, recipes, duplicates)[1]


def _in_use(
    declared: Mapping[str, ScoreSpec], recipes: Mapping[str, RecipeSpec], duplicates: DuplicatesSpec | None
) -> tuple[list[str], set[str]]:
    read = {score for recipe in recipes.values() for score in recipe.requires().scores}
    read |= {duplicates.near.score} if duplicates and duplicates.near.score else set()
    made = []
    for name in reversed(score_order(declared)):
        spec = declared[name]
        if not kind_of(spec).made_when_read or score_name(name, spec) in read:
            made.append(name)
            read |= set(kind_of(spec).reads(spec))
    return made[::-1], read
