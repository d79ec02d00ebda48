"""The number format in which a model computed the rows of a table: one for all of them.

Belongs here: that formats are not mixed. Does not belong here: which one a device chooses (``models.device``).
"""

from pathlib import Path

from datasel_assets.storage.lake import Expected, TableInfo
from datasel_assets.storage.shards import dtype_of
from datasel_assets.tables.row_units import DTYPE, WholeTableError


class MixedPrecisionError(WholeTableError):
    """A model computed some rows of a table in another number format than the others."""


class OneFormat:
    """Collects the number format of each shard of a table, and refuses a second one as soon as it comes."""

    def __init__(self, expected: Expected, kept: TableInfo | None, folder: Path) -> None:
        """Begin with what is stored.

        Args:
            expected: the table.
            kept: the stored table, where rows or columns of it are kept.
            folder: where the shards lie.
        """
        self._name, self._folder = "/".join(expected.key), folder
        stored = kept.meta.get(DTYPE) if kept else None
        self._found = {stored} if stored else set()
        self._is_known = kept is None or stored is not None

    def add(self, shard: Path) -> None:
        """Take note of a shard.

        Raises:
            MixedPrecisionError: its format is another one.
        """
        dtype = dtype_of(shard)
        self._found |= {dtype} if dtype else set()
        if len(self._found) > 1:
            raise MixedPrecisionError(
                f"rows of {self._name} were computed in {' and '.join(sorted(self._found))}: 'precision: auto' goes by "
                "what each device can do. Name one of them as 'precision' in the registry file that names the model, "
                "so that all devices compute alike (all rows are then computed anew), or use devices of one kind: the "
                f"rows that are not published yet lie in {self._folder}, and are computed again where that folder is "
                "deleted"
            )

    @property
    def dtype(self) -> str | None:
        """Return the format of all rows; None where no model computed them, or that of some was never noted."""
        return next(iter(self._found), None) if self._is_known else None
