"""How much a step had to do, beside what it cost: what later steps are forecast from.

Belongs here: rows of the corpus behind a table, bytes that are read and written. Does not belong here: clocks and
memory (``making``), what follows from the figures (``datasel_assets.costs``).
"""

from datasel_assets.storage.lake import Key
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def work(warehouse: Warehouse, table: Table, source: str | None) -> dict[str, int]:
    """Return what stands behind a table that was just made.

    Returns:
        ``corpus_rows``: conversations of the source, or of the pool; ``bytes_read``: size of the tables that it reads;
        ``bytes_written``: its own size, with that of what is published beside it.
    """
    return {
        "corpus_rows": corpus_rows(warehouse, source),
        "bytes_read": sum(_bytes(warehouse, key) for key in inputs(warehouse, table, source)),
        "bytes_written": sum(_bytes(warehouse, key) for key in outputs(table, source)),
    }


def corpus_rows(warehouse: Warehouse, source: str | None) -> int:
    """Return how many conversations a source has now, or the whole pool."""
    infos = [warehouse.lake.info((CORPUS.name, of)) for of in ([source] if source else warehouse.active_sources())]
    return sum(info.rows for info in infos if info)


def inputs(warehouse: Warehouse, table: Table, source: str | None) -> list[Key]:
    """Return the keys in the lake of what a table reads, of its source or else of all that there are."""
    found = []
    for key in table.reads:
        of_one = (*key, source) if source else key
        if warehouse.lake.info(of_one):
            found.append(of_one)
        elif warehouse.lake.info(key):
            found.append(key)
        else:
            found += [(*key, name) for name in warehouse.active_sources()]
    return found


def outputs(table: Table, source: str | None) -> list[Key]:
    """Return the keys in the lake of a table and of what is published beside it."""
    key = table.table_key(source)
    return [key, *((companion, *key[1:]) for companion in table.kind.companions)]


def uses_gpu(warehouse: Warehouse) -> bool:
    """Tell whether models run on a GPU of this process; units that are sent elsewhere are not counted here."""
    if warehouse.settings.device == "cpu" or warehouse.mapper.elsewhere:
        return False
    from datasel_assets.models.device import pick_device

    return pick_device(warehouse.settings.device).type == "cuda"


def _bytes(warehouse: Warehouse, key: Key) -> int:
    info = warehouse.lake.info(key)
    return info.bytes if info else 0
