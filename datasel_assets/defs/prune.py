"""Deleting what was retired: tables of sources without a file, of removed recipes, targets and representations."""

import shutil
from collections.abc import Sequence

import dagster as dg

from datasel_assets.defs.partitions import SOURCES
from datasel_assets.registry.base import RegistryError
from datasel_assets.settings import Settings
from datasel_assets.storage.lake import Key
from datasel_assets.tables.contamination.item_neighbours import STATE as SEEN_ITEMS
from datasel_assets.tables.making import note_path
from datasel_assets.tables.table import Table
from datasel_assets.tables.tags.label_graphs import VECTORS as LABEL_VECTORS
from datasel_assets.tables.warehouse import Warehouse

COMPANIONS = {
    "corpus": ("quarantine",),
    "selections": ("decisions", "changes"),
    "scores": ("turn_scores",),
    "comparison": ("versions",),
}
"""Tables that an asset writes beside the one that bears its name."""

HIDDEN = {"label_graph": LABEL_VECTORS, "evaluation_neighbours": SEEN_ITEMS}
"""Where an asset keeps what it needs to go on from, for those that keep any."""

CACHES = {"targets": "_targets", "evaluations": "_evaluations"}
"""Where the files of what is no source are kept."""


def prune(settings: Settings, assets: Sequence[Table], instance: dg.DagsterInstance, *, dry_run: bool) -> list[str]:
    """Delete every table that no registry file accounts for, with all that belongs to it, and retired partitions.

    Nothing else ever deletes a table. Releases are never touched.

    Raises:
        RegistryError: a file cannot be read. Nobody knows then what it accounts for, and a typo must not cost data.
    """
    warehouse = Warehouse(settings)
    registry = warehouse.registry
    if registry.errors:
        raise RegistryError("nothing is deleted while a file cannot be read:\n" + "\n".join(registry.errors.values()))
    keep: set[Key] = set()
    for asset in assets:
        for source in sorted(registry.sources) if asset.per_source else [None]:
            key = asset.table_key(source)
            keep.add(key)
            keep |= {(companion, *key[1:]) for companion in COMPANIONS.get(key[0], ())}
    removed = [key for key in warehouse.lake.tables() if key not in keep]
    if not dry_run:
        cache = settings.warehouse / "_cache"
        for key in removed:
            warehouse.lake.delete(key)
            warehouse.lake.clear_shards(key)
            note_path(warehouse.lake, key).unlink(missing_ok=True)
            if key[0] in HIDDEN:
                warehouse.lake.delete((HIDDEN[key[0]], *key[1:]))
            if key[0] in CACHES:
                shutil.rmtree(cache / CACHES[key[0]] / key[1], ignore_errors=True)
            if key[0] == "proxy_lm":
                shutil.rmtree(settings.warehouse / "models" / key[1], ignore_errors=True)
        for source in sorted(set(instance.get_dynamic_partitions(SOURCES)) - set(registry.sources)):
            instance.delete_dynamic_partition(SOURCES, source)
            shutil.rmtree(cache / source, ignore_errors=True)
    return ["/".join(key) for key in removed]
