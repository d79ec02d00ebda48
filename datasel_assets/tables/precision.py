"""The number format in which a model computed the rows of a table: one for all of them.

Belongs here: that formats are not mixed. Does not belong here: which one a device chooses (``models.device``).
"""

from collections.abc import Iterable
from pathlib import Path

from datasel_assets.storage.lake import Expected, TableInfo
from datasel_assets.storage.shards import dtype_of
from datasel_assets.tables.row_units import DTYPE, WholeTableError


class MixedPrecisionError(WholeTableError):
    """A model computed some rows of a table in another number format than the others."""


def one_dtype(expected: Expected, shards: Iterable[Path], kept: TableInfo | None, folder: Path) -> str | None:
    """Return the number format of all rows of a table; None where no model computed them, or nobody noted it.

    Args:
        expected: the table.
        shards: of the rows that were computed.
        kept: the stored table, where rows or columns of it are kept.
        folder: where the shards lie.

    Raises:
        MixedPrecisionError: there are several.
    """
    found = {dtype for shard in shards if (dtype := dtype_of(shard))}
    if kept is not None:
        stored = kept.meta.get(DTYPE)
        if stored is None:
            return None
        found.add(stored)
    if len(found) > 1:
        formats = " and ".join(sorted(found))
        raise MixedPrecisionError(
            f"rows of {'/'.join(expected.key)} were computed in {formats}: 'precision: auto' goes by what each device "
            "can do. Name one of them as 'precision' in the registry file that names the model, so that all devices "
            "compute alike (all rows are then computed anew), or use devices of one kind: the rows that are not "
            f"published yet lie in {folder}, and are computed again where that folder is deleted"
        )
    return next(iter(found), None)
