"""Two versions of one recipe: which releases are held side by side, and reading their rows.

Does not belong here: what is said of them (``diagnostics.versions``).
"""

from collections.abc import Mapping
from contextlib import suppress

import polars as pl

from datasel_assets.diagnostics.aims import QUALITY, target_measure
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.versions import Version, VersionPairs
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.release import (
    Release,
    ReleaseDamagedError,
    list_releases,
    read_manifest,
    release_rows,
)
from datasel_assets.tables.selections.comparison_figures import comparison_pool, measure
from datasel_assets.tables.warehouse import Warehouse

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


def read_versions(pairs: Mapping[str, Pair]) -> tuple[dict[str, tuple[Version, Version]], dict[str, str]]:
    """Return both versions of each recipe; and, by recipe, why those of others cannot be read."""
    found, unread = {}, {}
    for recipe, (old, new) in pairs.items():
        try:
            found[recipe] = (_read(old), _read(new))
        except ReleaseDamagedError as error:
            unread[recipe] = str(error)
    return found, unread


def compare_versions(warehouse: Warehouse, recipe: str, old: str | None = None, new: str | None = None) -> pl.DataFrame:
    """Return two versions of one recipe side by side, measured now: ``VersionPairs.table`` without ``basis``.

    Raises:
        ValueError, ReleaseDamagedError: as ``two_versions``, or the rows of a release cannot be read.
        MissingTableError: a table that the figures are made from was never made.
    """
    found, unread = read_versions({recipe: two_versions(warehouse, recipe, old, new)})
    if unread:
        raise ReleaseDamagedError(unread[recipe])
    pool = comparison_pool(warehouse)
    pairs = VersionPairs(found, pool)
    return pairs.table(pool, measure(warehouse, pool, pairs.chosen).table).drop("basis")


def titles(registry: Registry) -> dict[str, str]:
    """Return the headings of the measures."""
    return {m.name: m.title for m in (*MEASURES.values(), QUALITY, *map(target_measure, registry.aims))}


def _read(release: Release) -> Version:
    return Version(release.recipe, release.version, release_rows(release), read_manifest(release.path))
