"""The versions of the tables that another one is made from, as its ``expect`` names them.

Belongs here: telling a table per source from one of the whole pool. Does not belong here: whether what was made from
them is still current (``storage.lake``).
"""

from collections.abc import Iterable

from datasel_assets.storage.lake import Key
from datasel_assets.tables.table import Graph
from datasel_assets.tables.warehouse import Warehouse


def input_versions(warehouse: Warehouse, keys: Iterable[Key], graph: Graph) -> dict[str, str]:
    """Return the data version of each table by its name; of a table per source those of every active source.

    A table of the pool that was never made counts as ``"missing"``; a source without its table is left out, and its
    table is then one more input once it is there.
    """
    found: dict[str, str] = {}
    for key in keys:
        if graph.per_source(key):
            found |= warehouse.versions(*key)
        else:
            found["/".join(key)] = warehouse.lake.version(key)
    return found
