"""Two versions of one recipe side by side: what entered and left, and the figures of both over the pool as it is now.

Belongs here: given the rows and the manifests of both. Does not belong here: which versions are compared, and reading
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics.churn import Churn, churn
from datasel_assets.diagnostics.comparison import compare

HELD = (
    *("tokens", "response_tokens", "mean_response_tokens", "median_response_tokens", "sources_covered"),
    *("top_sources", "clusters_covered", "duplicates_left"),
)
"""Figures of ``comparison`` that a version is described by, besides every measure."""

NAMED = 6
"""Differences of one sort that are named; of more it is said that there are some."""

_OWN = {
    **dict.fromkeys(("recipe", "version"), pl.String),
    **dict.fromkeys(("rows", "rows_gone", "entered", "left"), pl.Int64),
    **{"overlap": pl.Float64, "differs": pl.String, "mean_score": pl.Float64},
}


@dataclass(frozen=True, eq=False)
class Version:
    """One version of a recipe's selection.

    Attributes:
        recipe: its name.
        version: the name of the version.
        rows: columns ``row_id`` and ``score``, one line per row.
        manifest: what it was made from: ``spec``, ``inputs``, ``versions`` and ``sources`` (with the ``licence`` of
            each), each a mapping, as far as known.
    """

    recipe: str
    version: str
    rows: pl.DataFrame
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``recipe@version``."""
        return f"{self.recipe}@{self.version}"


class VersionPairs:
    """An earlier and a later version of some recipes, ready to be measured together with other selections.

    Args:
        pairs: recipe -> the earlier and the later version.
        pool: columns of ``comparison.POOL_COLUMNS``.

    Attributes:
        chosen: ``recipe@version`` -> ids of its rows that are still in the pool.
        churns: recipe -> what entered and left.
    """

    def __init__(self, pairs: Mapping[str, tuple[Version, Version]], pool: pl.DataFrame) -> None:
        self.pairs = pairs
        known = pool["row_id"].implode()
        self.chosen: dict[str, np.ndarray] = {
            side.name: side.rows.filter(pl.col("row_id").is_in(known))["row_id"].to_numpy()
            for pair in pairs.values()
            for side in pair
        }
        self.churns: dict[str, Churn] = {
            recipe: churn(*(side.rows["row_id"].to_numpy() for side in pair)) for recipe, pair in pairs.items()
        }

    def table(self, pool: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
        """Return two lines per recipe, the earlier version first.

        Args:
            pool: as before.
            measured: the figures of ``chosen``, as ``measured.Measured.table``.

        Returns:
            Columns ``recipe``, ``version``, ``rows``, ``rows_gone`` (not in the pool any more; every figure is over the
            others), ``entered``, ``left``, ``overlap`` (Jaccard) and ``differs`` on the later line, ``mean_score`` (of
            all rows), those of ``HELD``, and those of ``measured``.
        """
        held = compare(pool, self.chosen).select("recipe", *HELD).join(measured, on="recipe", maintain_order="left")
        lines = []
        for recipe, (old, new) in self.pairs.items():
            change = self.churns[recipe]
            changed = {
                "entered": len(change.entered),
                "left": len(change.left),
                "overlap": change.overlap,
                "differs": differences(old.manifest, new.manifest),
            }
            for side, facts in ((old, dict.fromkeys(changed)), (new, changed)):
                gone = side.rows.height - len(self.chosen[side.name])
                score = side.rows["score"].cast(pl.Float64).fill_nan(None).mean()
                own = {"rows": side.rows.height, "rows_gone": gone, **facts, "mean_score": score}
                lines.append((side.name, recipe, side.version, *own.values()))
        head = pl.DataFrame(lines, schema={"name": pl.String, **_OWN}, orient="row")
        return head.join(held.rename({"recipe": "name"}), on="name", how="left", maintain_order="left").drop("name")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return in words what two manifests were made from differently, as each was when it was first released.

    >>> differences({"spec": {"seed": 1}}, {"spec": {"seed": 2}})
    'recipe: seed'
    """

    def changed(part: str) -> list[str]:
        a, b = old.get(part, {}), new.get(part, {})
        return sorted(key for key in {**a, **b} if a.get(key) != b.get(key))

    terms = [{name: share.get("licence") for name, share in side.get("sources", {}).items()} for side in (old, new)]
    relicensed = sorted(name for name in terms[0].keys() & terms[1].keys() if terms[0][name] != terms[1][name])
    found = {
        "recipe": changed("spec"),
        "tables": changed("inputs"),
        "packages": changed("versions"),
        "licences": relicensed,
    }
    said = [
        f"{what}: {', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''}"
        for what, names in found.items()
        if names
    ]
    if not said and all(terms):
        return "nothing that it is made from: the computation itself (other code, processor or number of threads)"
    return "; ".join(said) or "licences or code"
