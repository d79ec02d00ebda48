"""Which scores there are, by the name that recipes use: ``<family>.<column>``, and ``blend.<name>``.

Belongs here: the list of names with their keep signs, and what is wrong with a blend that refers to others.
Does not: the indicators (``indicators``), the arithmetic of a blend (``indicators.blend``).
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.blend import BlendSpec
from datasel_assets.indicators.tokens import TOKENS
from datasel_assets.recipes.scores import BLENDS
from datasel_assets.registry.base import suggestion
from datasel_assets.registry.language_model import LanguageModelSpec

RESERVED = frozenset({*FAMILIES, BLENDS})
"""Families that no language model may be named after."""


def score_keep(
    blends: Iterable[str] = (), language_models: Mapping[str, LanguageModelSpec] = MappingProxyType({})
) -> dict[str, str]:
    """Return every score with the values that the literature keeps: ``high``, ``low`` or ``mid``."""
    columns = {
        f"{name}.{indicator}": TOKENS[indicator].keep
        for name, spec in language_models.items()
        for indicator in spec.indicators
    }
    columns |= {
        f"{family}.{column}": indicator.keep
        for family, indicators in FAMILIES.items()
        for indicator in indicators.values()
        for column in indicator.columns
    }
    return columns | {f"{BLENDS}.{name}": "high" for name in blends}


def unknown_score(names: Iterable[str], known: Mapping[str, str]) -> str | None:
    """Return what to say about the first name that is not a score, or None."""
    for name in sorted(names):
        if "." in name and name not in known:
            family = name.split(".")[0]
            siblings = [other for other in known if other.startswith(f"{family}.")]
            hint = suggestion(name, list(known))
            if not siblings:
                families = sorted({other.split(".")[0] for other in known})
                hint = f": there is no family {family!r}; there are {', '.join(families)}"
            return f"there is no score {name!r}{hint}"
    return None


def blend_errors(blends: Mapping[str, BlendSpec], language_models: Mapping[str, LanguageModelSpec]) -> dict[str, str]:
    """Return blends that cannot be made, with the reason: an unknown input, or a circle of blends."""
    known = score_keep(blends, language_models)
    errors = {}
    for name, spec in blends.items():
        message = unknown_score((entry.score for entry in spec.inputs), known)
        if message:
            errors[name] = message
    try:
        blend_order(blends)
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        errors |= dict.fromkeys(error.args[1], f"blends are made from each other in a circle: {circle}")
    return errors


def blend_order(blends: Mapping[str, BlendSpec]) -> list[str]:
    """Return the names of blends, each after those it reads.

    Raises:
        CycleError: some blends need each other.
    """
    graph = {
        name: {entry.score.partition(".")[2] for entry in spec.inputs if entry.score.partition(".")[0] == BLENDS}
        & set(blends)
        for name, spec in sorted(blends.items())
    }
    return list(TopologicalSorter(graph).static_order())
