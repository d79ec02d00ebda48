"""Deleting what was retired: tables (``tables.pruning``), and the partitions of sources without a file."""

from collections.abc import Sequence

import dagster as dg

from datasel_assets.defs.partitions import SOURCES
from datasel_assets.settings import Settings
from datasel_assets.tables.pruning import remove, retired
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def prune(settings: Settings, assets: Sequence[Table], instance: dg.DagsterInstance, *, dry_run: bool) -> list[str]:
    """Delete every table that no registry file accounts for, and retired partitions; return the names of the tables.

    Raises:
        RegistryError: a file cannot be read; nothing is deleted.
    """
    warehouse = Warehouse(settings)
    keys = retired(warehouse, assets)
    if not dry_run:
        remove(warehouse, keys)
        for source in sorted(set(instance.get_dynamic_partitions(SOURCES)) - set(warehouse.registry.sources)):
            instance.delete_dynamic_partition(SOURCES, source)
    return ["/".join(key) for key in keys]
