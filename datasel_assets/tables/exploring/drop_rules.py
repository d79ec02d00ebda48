"""A filter over the rows as drop rules of a recipe, in YAML.

Belongs here: what of a filter a recipe can say, and how. Does not: the filter (``storage.exploration.filters``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from datasel_assets.specs.recipe import DropRule
from datasel_assets.specs.recipe.condition import SOURCE
from datasel_assets.storage.catalog import literal
from datasel_assets.storage.exploration.filters import Filter

UNSAID = {
    "text": "words of the text",
    "clusters": "clusters, whose numbers change when they are made again",
    "tags": "tags",
    "decisions": "decisions of recipes",
    "box": "a part of the map",
}
"""What of a filter a drop rule cannot say -> in words."""


@dataclass(frozen=True)
class Rules:
    """Drop rules.

    Attributes:
        yaml: lines for a recipe; empty where nothing of the filter can be said.
        unsaid: what of the filter they leave out.
    """

    yaml: str
    unsaid: tuple[str, ...]


def rules_of(wanted: Filter, *, keep: bool) -> Rules:
    """Return the rules that drop the rows of a filter, or that keep them and drop all others.

    Args:
        wanted: the filter.
        keep: drop the other rows. A row of which a score is not known does not fit the filter, so it is dropped.
    """
    unsaid = tuple(words for name, words in UNSAID.items() if getattr(wanted, name))
    parts = list(_parts(wanted))
    if not parts:
        return Rules("", unsaid)
    rules: list[dict[str, Any]]
    if keep:
        rules = [{"where": f"not coalesce({' and '.join(parts)}, false)"}]
    else:
        rules = _plain(wanted) or [{"where": " and ".join(parts)}]
    for rule in rules:
        DropRule.model_validate(rule)
    return Rules(yaml.safe_dump({"drop": rules}, sort_keys=False, allow_unicode=True, width=110), unsaid)


def _plain(wanted: Filter) -> list[dict[str, Any]]:
    """Return the rule without SQL for a filter of sources alone; none for any other.

    A bound of a filter holds its end, that of a rule does not: only a condition says the same.
    """
    return [{"source": list(wanted.sources)}] if not (wanted.bounds or wanted.categories) else []


def _parts(wanted: Filter) -> Iterator[str]:
    if wanted.sources:
        yield f"{SOURCE} in ({', '.join(map(literal, wanted.sources))})"
    for name, bounds in wanted.bounds.items():
        if bounds.low is not None and bounds.high is not None:
            yield f"{_column(name)} between {bounds.low!r} and {bounds.high!r}"
        elif bounds.low is not None:
            yield f"{_column(name)} >= {bounds.low!r}"
        elif bounds.high is not None:
            yield f"{_column(name)} <= {bounds.high!r}"
    for name, names in wanted.categories.items():
        yield f"{_column(name)} in ({', '.join(map(literal, names))})"


def _column(name: str) -> str:
    return f'"{name}"' if "-" in name else name
