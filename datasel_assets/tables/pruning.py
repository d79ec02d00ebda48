"""Tables that no registry file accounts for, and their removal with all that belongs to them.

Belongs here: what is retired, and what lies beside a table. Nothing else ever deletes a table, and releases are never
touched. Does not belong here: which kinds there are (``graph``), and the
partitions of sources without a file, which go with the next run of ``main``.
"""

import shutil
from collections.abc import Iterable

from datasel_assets.registry.base import RegistryError
from datasel_assets.storage.lake import Key, Lake, StaleTableError
from datasel_assets.tables.graph import kind_of
from datasel_assets.tables.making import note_path
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def prune(warehouse: Warehouse, tables: Iterable[Table], *, dry_run: bool) -> list[str]:
    """Delete every table that no registry file accounts for; return their names.

    Raises:
        RegistryError: a file cannot be read; nothing is deleted.
    """
    keys = retired(warehouse, tables)
    if not dry_run:
        remove(warehouse, keys)
    return ["/".join(key) for key in keys]


def retired(warehouse: Warehouse, tables: Iterable[Table]) -> list[Key]:
    """Return the keys in the lake that are neither of ``tables`` nor their companions, sorted.

    Raises:
        RegistryError: a file cannot be read. Nobody knows then what it accounts for, and a typo must not cost data.
    """
    registry = warehouse.registry
    if registry.errors:
        raise RegistryError("nothing is deleted while a file cannot be read:\n" + "\n".join(registry.errors.values()))
    keep: set[Key] = set()
    for table in tables:
        for source in sorted(registry.sources) if table.per_source else [None]:
            key = table.table_key(source)
            keep |= {key, *((companion, *key[1:]) for companion in table.kind.companions)}
    return [key for key in warehouse.lake.tables() if key not in keep and _is_table(warehouse.lake, key)]


def remove(warehouse: Warehouse, keys: Iterable[Key]) -> None:
    """Delete tables with their shards, their notes and their state, and the downloads of sources without a file."""
    lake = warehouse.lake
    for key in keys:
        lake.delete(key)
        lake.clear_shards(key)
        note_path(lake, key).unlink(missing_ok=True)
        kind = kind_of(key)
        for path in kind.state if kind and kind.name == key[0] else ():
            place = lake.root / path.format(name="/".join(key[1:]))
            lake.delete(place.with_suffix("").relative_to(lake.root).parts)  # a table may be one file or several parts
            shutil.rmtree(place, ignore_errors=True)
    downloads = lake.root / "_cache"
    for folder in downloads.iterdir() if downloads.is_dir() else ():
        if not folder.name.startswith("_") and folder.name not in warehouse.registry.source_names:
            shutil.rmtree(folder, ignore_errors=True)


def _is_table(lake: Lake, key: Key) -> bool:
    """Tell a table from the files that a trained model consists of, which are part of the state of another table."""
    try:
        return lake.info(key) is not None
    except StaleTableError:
        return False
