"""Rows of Parquet files by their place. Belongs here: reading few rows of many. Not: which rows (who asks says that).

A filter in a lazy scan does not do: what it returns keeps the texts of all rows in memory, because the rows that are
kept point into the same buffers.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def rows_at(files: Sequence[Path], places: np.ndarray, columns: Sequence[str]) -> pa.Table:
    """Return the rows at ``places`` of files that are counted through, in the order of ``places``.

    Memory: the rows that are returned, and one row group. A row group without wanted rows is not read.

    Args:
        files: of one schema.
        places: (n,) numbers of rows: 0 is the first row of the first file.
        columns: those wanted.

    Raises:
        IndexError: there are fewer rows.
    """
    places = np.asarray(places, np.int64)
    order = np.argsort(places, kind="stable")
    wanted = places[order]
    pieces = [pq.read_schema(files[0]).remove_metadata().empty_table().select(list(columns))]
    start = taken = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                upto = int(np.searchsorted(wanted, end))
                if upto > taken:
                    rows = file.read_row_group(group, columns=list(columns)).replace_schema_metadata()
                    # A copy, so that the row group is freed.
                    pieces.append(rows.take(pa.array(wanted[taken:upto] - start)))
                start, taken = end, upto
    if taken < len(wanted):
        raise IndexError(f"row {wanted[-1]} was asked for, but there are {start}: the files are others than expected")
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_tables(pieces).take(pa.array(back))
