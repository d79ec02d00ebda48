"""Two versions of one recipe side by side: what entered and left, and the figures of both over the pool as it is now.

Belongs here: which releases are compared, and reading their rows. Does not: any formula (``diagnostics``).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from datasel_assets.diagnostics.churn import churn
from datasel_assets.diagnostics.comparison import compare
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.registry.load import Registry
from datasel_assets.storage.release import (
    Release,
    ReleaseDamagedError,
    list_releases,
    read_manifest,
    release_rows,
)
from datasel_assets.tables.selections.comparison_figures import EXTRA, comparison_pool, measure, target_measure
from datasel_assets.tables.warehouse import Warehouse

HELD = (
    *("tokens", "response_tokens", "mean_response_tokens", "median_response_tokens", "sources_covered"),
    *("top_sources", "clusters_covered", "duplicates_left"),
)
"""Figures of ``diagnostics.comparison`` that a version is described by, besides every measure."""

Pair = tuple[Release, Release]
"""An earlier release and a later one."""


def version_now(warehouse: Warehouse, recipe: str) -> str | None:
    """Return the version that the stored selection of a recipe was released as."""
    info = warehouse.lake.info(("selections", recipe))
    return info.meta["release"].partition("/")[2] if info else None


def versions_before(warehouse: Warehouse) -> dict[str, Pair]:
    """Return the release before the present one, and the present one, for every recipe that has both.

    The one before is the newest other one. Recipes with a damaged release are left out: the comparison is no place to
    stop for it; releasing again names it.
    """
    found = {}
    for recipe in sorted(warehouse.registry.recipes):
        with suppress(ReleaseDamagedError):
            releases = {release.version: release for release in list_releases(warehouse.settings.releases, recipe)}
            now = releases.pop(version_now(warehouse, recipe) or "", None)
            if now and releases:
                found[recipe] = (list(releases.values())[-1], now)
    return found


def two_versions(warehouse: Warehouse, recipe: str, old: str | None = None, new: str | None = None) -> Pair:
    """Return two releases of a recipe; without names, the one before the present one and the present one.

    Raises:
        ValueError: there is no such recipe or version, or only one version.
        ReleaseDamagedError: a manifest cannot be read.
    """
    homes = sorted(path.name for path in warehouse.settings.releases.glob("*") if path.is_dir())
    if recipe not in homes:
        raise ValueError(f"recipe {recipe!r} has no release; there are: {', '.join(homes) or 'none'}")
    releases = {release.version: release for release in list_releases(warehouse.settings.releases, recipe)}
    new = new or version_now(warehouse, recipe) or next(reversed(releases), "")
    old = old or next((version for version in reversed(releases) if version != new), "")
    for version in filter(None, (old, new)):
        if version not in releases:
            raise ValueError(f"{recipe} has no version {version!r}; there are: {', '.join(releases)}")
    if not old:
        raise ValueError(f"{recipe} has one version only, {new}: nothing to hold it against")
    return releases[old], releases[new]


class Versions:
    """The rows of pairs of releases, ready to be measured together with other selections.

    Args:
        pairs: recipe -> an earlier and a later release. A pair whose rows cannot be read is left out.
        pool: from ``comparison_pool``.

    Attributes:
        chosen: ``recipe@version`` -> ids of its rows that are still in the pool.
        churns: recipe -> what entered and left.
        unread: recipe -> why its releases could not be read.
    """

    def __init__(self, pairs: Mapping[str, Pair], pool: pl.DataFrame) -> None:
        self.rows: dict[str, pl.DataFrame] = {}
        self.pairs: dict[str, Pair] = {}
        self.unread: dict[str, str] = {}
        for recipe, pair in pairs.items():
            try:
                self.rows |= {_name(release): release_rows(release) for release in pair}
                self.pairs[recipe] = pair
            except ReleaseDamagedError as error:
                self.unread[recipe] = str(error)
        known = pool["row_id"].implode()
        self.chosen = {
            _name(release): rows.filter(pl.col("row_id").is_in(known))["row_id"].to_numpy()
            for pair in self.pairs.values()
            for release in pair
            for rows in (self.rows[_name(release)],)
        }
        self.churns = {
            recipe: churn(*(self.rows[_name(release)]["row_id"].to_numpy() for release in pair))
            for recipe, pair in self.pairs.items()
        }

    def table(self, pool: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
        """Return two lines per recipe, the earlier version first.

        Args:
            pool: as before.
            measured: the figures of ``chosen``, as ``comparison_figures.Measured.table``.

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
                "differs": differences(read_manifest(old.path), read_manifest(new.path)),
            }
            for release, facts in ((old, dict.fromkeys(changed)), (new, changed)):
                rows = self.rows[_name(release)]
                gone = rows.height - len(self.chosen[_name(release)])
                score = rows["score"].cast(pl.Float64).fill_nan(None).mean()
                own = {"rows": rows.height, "rows_gone": gone, **facts, "mean_score": score}
                lines.append((_name(release), recipe, release.version, *own.values()))
        head = pl.DataFrame(lines, schema=_HEAD, orient="row")
        return head.join(held.rename({"recipe": "name"}), on="name", how="left", maintain_order="left").drop("name")


_HEAD = {
    **dict.fromkeys(("name", "recipe", "version"), pl.String),
    **dict.fromkeys(("rows", "rows_gone", "entered", "left"), pl.Int64),
    **{"overlap": pl.Float64, "differs": pl.String, "mean_score": pl.Float64},
}


def compare_versions(warehouse: Warehouse, recipe: str, old: str | None = None, new: str | None = None) -> pl.DataFrame:
    """Return two versions of one recipe side by side, measured now: ``Versions.table`` without ``basis``.

    Raises:
        ValueError, ReleaseDamagedError: as ``two_versions``, or the rows of a release cannot be read.
        MissingTableError: a table that the figures are made from was never made.
    """
    pair = two_versions(warehouse, recipe, old, new)
    pool = comparison_pool(warehouse)
    found = Versions({recipe: pair}, pool)
    if found.unread:
        raise ReleaseDamagedError(found.unread[recipe])
    return found.table(pool, measure(warehouse, pool, found.chosen).table).drop("basis")


def titles(registry: Registry) -> dict[str, str]:
    """Return the headings of the measures."""
    return {m.name: m.title for m in (*MEASURES.values(), *EXTRA.values(), *map(target_measure, registry.aims))}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return in words what two manifests were made from differently, as each was when it was first released."""

    def changed(part: str) -> list[str]:
        a, b = old.get(part, {}), new.get(part, {})
        return sorted(key for key in {**a, **b} if a.get(key) != b.get(key))

    found = {"recipe": changed("spec"), "tables": changed("inputs"), "packages": changed("versions")}
    said = [
        f"{what}: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}" for what, names in found.items() if names
    ]
    return "; ".join(said) or "licences or code"


def _name(release: Release) -> str:
    return f"{release.recipe}@{release.version}"
