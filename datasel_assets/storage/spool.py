"""A stream that must wait on disk: batches that come while another table is written, published after it.

Belongs here: keeping Arrow batches out of memory for a while. Does not belong here: tables (``lake``), and shards that
outlive a process (``shards``).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa

from datasel_assets.storage.atomic import storage_errors


class Spool:
    """Batches in a file without a name, which is gone when the process is; see :func:`spool`."""

    def __init__(self, file: IO[bytes], folder: Path, schema: pa.Schema) -> None:
        self._file, self._folder, self._schema = file, folder, schema
        self._writer: pa.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a batch."""
        with storage_errors(self._folder):
            writer = self._writer or pa.ipc.new_stream(self._file, self._schema)
            self._writer = writer
            writer.write_batch(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all batches in the order in which they came, one in memory at a time; nothing is added afterwards."""
        if self._writer is None:
            return
        with storage_errors(self._folder):
            self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            yield from reader


@contextmanager
def spool(folder: Path, schema: pa.Schema) -> Iterator[Spool]:
    """Keep batches on the disk of ``folder`` while the block runs.

    Raises:
        StorageFullError: no space left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Spool(file, folder, schema)
