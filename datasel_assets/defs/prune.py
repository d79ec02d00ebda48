"""Deleting what was retired: tables of sources without a file, of removed recipes, targets and representations."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from datasel_assets.defs.partitions import SOURCES
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.table_asset import TableAsset
from datasel_assets.defs.tags import VECTORS as LABEL_VECTORS
from datasel_assets.settings import Settings
from datasel_assets.storage.lake import Key

COMPANIONS = {"corpus": ("quarantine",), "selections": ("decisions", "changes"), "scores": ("turn_scores",)}
"""Tables that an asset writes beside the one that bears its name."""


def prune(
    settings: Settings, assets: Sequence[TableAsset], instance: dg.DagsterInstance, *, dry_run: bool
) -> list[str]:
    """Delete every table that no valid registry file accounts for, and the partitions of retired sources.

    Nothing else ever deletes a table. Files that cannot be read protect their tables: a typo must not cost data.
    Releases are never touched.
    """
    warehouse = Warehouse(settings)
    registry = warehouse.registry
    protected = {Path(file).stem for file in registry.errors}
    if registry.duplicates is None:
        protected |= {"minhash", "near_duplicates", "semantic_duplicates"}
    keep: set[Key] = set()
    for asset in assets:
        for source in sorted(registry.source_names) if asset.partitioned else [None]:
            key = (*asset.key, source) if source else asset.expect(warehouse, None).key
            keep.add(key)
            keep |= {(companion, *key[1:]) for companion in COMPANIONS.get(key[0], ())}
    removed = [key for key in warehouse.lake.tables() if key not in keep and not protected & set(key)]
    if not dry_run:
        for key in removed:
            warehouse.lake.delete(key)
            warehouse.lake.clear_shards(key)
            if key[0] == "label_graph":
                warehouse.lake.delete((LABEL_VECTORS, key[1]))
            if key[0] == "proxy_lm":
                shutil.rmtree(settings.warehouse / "models" / key[1], ignore_errors=True)
        gone = set(instance.get_dynamic_partitions(SOURCES)) - registry.source_names
        for source in sorted(gone):
            instance.delete_dynamic_partition(SOURCES, source)
            shutil.rmtree(settings.warehouse / "_cache" / source, ignore_errors=True)
    return ["/".join(key) for key in removed]
