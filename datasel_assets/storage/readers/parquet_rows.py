"""Parquet, batch by batch.

Belongs here: bounded batches and the limits. Not here: what a value becomes (``arrow_values``), any schema.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.raw_rows import RawRow, SourceError, too_long, unreadable
from datasel_assets.storage.readers.arrow_values import Unreadable, values

BATCH_BYTES = 32 << 20
BATCH_ROWS = 5_000


def rows(file: IO[bytes], row_chars: int, file_bytes: int, start: int, path: Path) -> Iterator[RawRow]:
    """Yield one row per record.

    Args:
        file: Seekable Parquet file.
        row_chars: Most characters (bytes of all values, for a row that is near it) of one row.
        file_bytes: Most bytes that the decoded columns may take; a few kilobytes of dictionary-encoded pages can
            hold gigabytes.
        start: Position of the first row.
        path: File, for messages.

    Raises:
        SourceError: damaged, repeated column names, or more than ``file_bytes``.
    """
    position = start
    decoded = 0
    try:
        # Times of old Spark and Impala (INT96) reach far beyond what nanoseconds can count, and would wrap around.
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        names = parquet.schema_arrow.names
        if len(set(names)) != len(names):
            raise SourceError(f"{path}: two columns have the same name; rename one of them")
        for batch in parquet.iter_batches(batch_size=_batch_rows(parquet.metadata)):
            decoded += batch.nbytes
            if decoded > file_bytes:
                raise SourceError(f"{path}: its columns take more than limits.file_bytes = {file_bytes:,} bytes")
            yield from _batch(batch, row_chars, position)
            position += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: not a readable Parquet file ({error}); fetch it again") from error


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Rows that decode to about BATCH_BYTES."""
    total = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return max(1, min(BATCH_ROWS, BATCH_BYTES * metadata.num_rows // max(total, 1)))


def _batch(batch: pa.RecordBatch, row_chars: int, position: int) -> Iterator[RawRow]:
    """Rows of a batch; halves until what could break a limit or the decoder stands alone."""
    if batch.nbytes > row_chars and batch.num_rows > 1:
        middle = batch.num_rows // 2
        yield from _batch(batch.slice(0, middle), row_chars, position)
        yield from _batch(batch.slice(middle), row_chars, position + middle)
        return
    columns = [values(column) for column in batch.columns]
    names = batch.schema.names
    for i in range(batch.num_rows):
        record = {name: column[i] for name, column in zip(names, columns, strict=True)}
        if bad := next((value for value in record.values() if isinstance(value, Unreadable)), None):
            yield unreadable(position + i, bad.reason, _bytes(batch.slice(i, 1)))
        elif batch.num_rows == 1 and _chars(record) > row_chars:
            yield too_long(position, row_chars, str(next((v for v in record.values() if isinstance(v, str)), "")))
        else:
            yield RawRow(position + i, record)


def _chars(value: Any) -> int:
    """Characters of all texts in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _chars(item) for key, item in value.items())
    return sum(map(_chars, value)) if isinstance(value, list) else 0


def _bytes(batch: pa.RecordBatch) -> bytes:
    """What can be shown of a row whose text is not UTF-8: its top-level text columns."""
    texts = [c.cast(pa.binary())[0].as_py() for c in batch.columns if c.type in (pa.string(), pa.large_string())]
    return b" | ".join(text or b"" for text in texts)
