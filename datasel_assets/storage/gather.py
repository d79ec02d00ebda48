"""Single rows of a large table, by their positions.

Belongs here: reading a few rows without the others. Does not belong here: which rows are wanted.

A filter in a lazy scan does not do: what it returns keeps the texts of all rows in memory, because the rows that are
kept point into the same buffers.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq


def gather(files: Sequence[Path], columns: Sequence[str], positions: np.ndarray) -> pl.DataFrame:
    """Return rows of Parquet files in the order of ``positions``.

    Only row groups with a wanted row are read. Memory: the rows asked for, and one row group.

    Args:
        files: files with these columns, one after the other.
        columns: the columns wanted.
        positions: (m,) int64, counted over all files; may repeat.

    Raises:
        IndexError: a position is negative or beyond the last row.
    """
    order = np.argsort(positions, kind="stable")
    wanted = positions[order]
    found: list[pa.Table] = []
    start = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            if not found:
                fields = [file.schema_arrow.field(name) for name in columns]
                found.append(pa.schema(fields).empty_table())
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                low, high = np.searchsorted(wanted, [start, stop])
                if high > low:
                    rows = file.read_row_group(group, columns=list(columns)).select(list(columns))
                    # Arrow copies what is taken; a Polars frame would hold on to the texts of the whole group.
                    found.append(rows.take(pa.array(wanted[low:high] - start)))
                start = stop
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < start:
        raise IndexError(f"positions {wanted[0]} to {wanted[-1]} of a table with {start} rows")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pl.DataFrame(pl.from_arrow(pa.concat_tables(found)))[back]
