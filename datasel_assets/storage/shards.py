"""Finished pieces of a table that is not published yet, and sorted runs that are merged block by block.

Belongs here: shard files (what a killed process finds again) and reading several sorted files side by side without
holding them. Does not belong here: which rows a shard holds (``rows``), and what is computed.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.sorted_ids import among

FAILED = "failed"
"""Column with the reason why a row could not be computed; only where some row could not."""


DTYPE = b"dtype"
"""Key under which a shard says in which number format a model computed it."""


def write_shard(path: Path, rows: pa.Table, dtype: str | None = None) -> None:
    """Write a shard by row_id: an uncompressed Arrow file, which is read without copying it into memory.

    Args:
        path: where.
        rows: what it holds.
        dtype: number format of the model that computed it, such as ``bfloat16``; None where none did.
    """
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
        found = sorted_by_id(rows)
        if dtype:
            found = found.replace_schema_metadata({DTYPE: dtype.encode()})
        with pa.ipc.new_file(sink, found.schema) as writer:
            writer.write_table(found)


def read_shard(path: Path) -> pa.Table:
    """Return a shard, mapped into memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def dtype_of(shard: Path) -> str | None:
    """Return the number format in which a model computed a shard, or None where none did."""
    with pa.ipc.open_file(pa.memory_map(str(shard))) as opened:
        found = (opened.schema.metadata or {}).get(DTYPE)
    return found.decode() if found else None


def failures(shard: Path) -> dict[str, str]:
    """Return row id -> reason of the rows of a shard that could not be computed."""
    table = read_shard(shard)
    if FAILED not in table.column_names:
        return {}
    found = pl.from_arrow(table.select(["row_id", FAILED]))
    assert isinstance(found, pl.DataFrame)
    return dict(found.drop_nulls().iter_rows())


def ids_of(rows: pa.Table | pa.RecordBatch) -> pl.Series:
    """Return the row ids of Arrow rows."""
    return pl.Series("row_id", pl.from_arrow(rows.column("row_id")), dtype=pl.String)


def sorted_by_id(rows: pa.Table) -> pa.Table:
    """Return ``rows`` by row_id; lines of one row keep their order."""
    ids = ids_of(rows)
    if ids.is_sorted():
        return rows
    order = ids.to_frame().select(pl.arg_sort_by("row_id", maintain_order=True)).to_series()
    return rows.take(pa.array(order.to_numpy()))


def stacked(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Return tables of the same columns below each other, by row_id."""
    if not tables:
        return schema.empty_table()
    # Permissive, because a column of a shard of which every row failed has no type.
    together = pa.concat_tables([table.select(schema.names) for table in tables], promote_options="permissive")
    return sorted_by_id(together.combine_chunks().cast(schema))


class SortedRun:
    """Rows by row_id that are read front to back, up to one id after the other."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._held: pa.Table | None = None
        self._ids = pl.Series("row_id", [], dtype=pl.String)
        self._next = 0

    @classmethod
    def of_shard(cls, path: Path) -> "SortedRun":
        """Return the rows of a shard."""
        return cls(iter([read_shard(path)]))

    def upto(self, last: str) -> Iterator[pa.Table]:
        """Yield the rows that have not been read and whose id is at most ``last``."""
        while self._held is not None or self._load():
            assert self._held is not None
            # Not ``search_sorted``, whose single call costs twenty times as much; there is one per run and block.
            stop = bisect_right(self._ids, last, lo=self._next)
            if stop > self._next:
                yield self._held.slice(self._next, stop - self._next)
            self._next = stop
            if stop < len(self._ids):
                return
            self._held = None

    def _load(self) -> bool:
        self._held = next(self._tables, None)
        if self._held is not None:
            self._ids, self._next = ids_of(self._held), 0
        return self._held is not None


def stored_run(files: Sequence[Path], columns: Sequence[str], keep: pl.Series) -> list[SortedRun]:
    """Return the rows ``keep`` of stored files as sorted runs, one for each file.

    Memory: a row group, and the ids. A file that is not by row_id (written before tables were) is sorted in memory.

    Args:
        files: Parquet files with a column ``row_id``.
        columns: the columns wanted, ``row_id`` among them.
        keep: ids of the rows wanted, sorted.
    """
    runs = []
    for path in files:
        ids = pl.read_parquet(path, columns=["row_id"], glob=False)["row_id"]
        mask = among(ids, keep)
        if not mask.any():
            continue
        tables = _filtered(path, columns, mask)
        runs.append(SortedRun(tables if ids.is_sorted() else iter([sorted_by_id(pa.concat_tables(tables))])))
    return runs


def _filtered(path: Path, columns: Collection[str], mask: pl.Series) -> Iterator[pa.Table]:
    start = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(columns)):
            kept = mask.slice(start, batch.num_rows)
            start += batch.num_rows
            if kept.any():
                table = pa.Table.from_batches([batch])
                yield table if kept.all() else table.filter(pa.array(kept.to_numpy()))
