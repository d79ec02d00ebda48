"""The files in ``loops/``: which kind one is, which are carried out, what they read.

Belongs here: names. Does not: what a kind says (``specs.loop``), what is wrong with a file (``rules``).
"""

from collections.abc import Mapping
from typing import Any

from datasel_assets.indicators.score_kinds import kind_of
from datasel_assets.registry.base import RegistryError
from datasel_assets.registry.registry import Registry
from datasel_assets.registry.score import scores_in_use
from datasel_assets.schema import suggestion
from datasel_assets.specs.loop import FAMILY, LOOPS, LoopSpec


def loop_model(document: Mapping[str, Any]) -> type[LoopSpec]:
    """Return what a file in ``loops/`` must satisfy, by its key ``kind``.

    Raises:
        RegistryError: there is no such key, or it names no kind of loop.
    """
    allowed = f"Allowed: {', '.join(LOOPS)}"
    if "kind" not in document:
        raise RegistryError(f"kind: this key is required. {allowed}")
    kind = document["kind"]
    if not isinstance(kind, str) or kind not in LOOPS:
        raise RegistryError(f"kind: {kind!r} is not allowed{suggestion(kind, list(LOOPS))} {allowed}")
    return LOOPS[kind]


def loops_in_use(registry: Registry) -> list[str]:
    """Return the names of the loops that are carried out: those whose score a recipe or a score in use reads."""
    read = {score for recipe in registry.recipes.values() for score in recipe.requires().scores}
    for name in scores_in_use(registry.scores, registry.recipes, registry.duplicates):
        spec = registry.scores[name]
        read |= set(kind_of(spec).reads(spec))
    return sorted(name for name in registry.loops if f"{FAMILY}.{name}" in read)
