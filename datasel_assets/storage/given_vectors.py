"""Vectors that users bring: a table with a key and a vector per line, as Parquet, Lance or NumPy.

Belongs here: finding and reading such a table with memory that does not grow with it. Does not belong here: which row
a key means (``tables.vectors.given``).
"""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.readers.digests import Digests
from datasel_assets.storage.readers.patterns import local_files
from datasel_assets.storage.sorted_ids import positions

BATCH_ROWS = 8192


@dataclass(frozen=True)
class GivenVectors:
    """Vectors by key.

    Attributes:
        keys: (n,) sorted keys, each once.
        vectors: (n, d) float32 in the same order; a nameless temporary file where they are many.
    """

    keys: pl.Series
    vectors: np.ndarray

    @cached_property
    def scale(self) -> float:
        """Return the power of two that brings the largest finite number of all vectors to between 512 and 1024.

        One factor for all keeps directions and relative lengths exactly, and uses the range of float16.
        """
        largest = 0.0
        for start in range(0, len(self.keys), BATCH_ROWS):
            block = np.abs(self.vectors[np.arange(start, min(start + BATCH_ROWS, len(self.keys)))])
            largest = max(largest, float(block[np.isfinite(block)].max(initial=0)))
        return 2.0 ** (10 - math.ceil(math.log2(largest))) if largest else 1.0

    def of(self, wanted: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors (m, d) of ``wanted`` keys, and which keys (m,) have none; theirs are all zero."""
        places = positions(wanted, self.keys)
        missing = places < 0
        vectors = np.zeros((len(wanted), self.vectors.shape[1]), np.float32)
        vectors[~missing] = self.vectors[places[~missing]]
        return vectors, missing


def files_of(table: str, key: str, base: Path) -> list[Path]:
    """Return the files that a table of vectors consists of, sorted.

    Raises:
        SourceError: there are none, or the kind of file is not known.
    """
    path = Path(table) if Path(table).is_absolute() else base / table
    if path.suffix == ".npy":
        found = [path, path.parent / key]
    elif path.suffix == ".lance":
        found = sorted(p for p in path.rglob("*") if p.is_file())
    elif path.suffix == ".parquet":
        found = local_files(table, base)
    else:
        raise SourceError(f"{path}: vectors are read from .parquet, .lance or .npy")
    absent = [str(p) for p in found if not p.is_file()]
    if absent or not found:
        raise SourceError(f"the table of vectors {absent[0] if absent else path} does not exist")
    return found


def identity(files: list[Path], memory: Path) -> str:
    """Return a hash of the content of files; one that was not touched since the last time is not read again.

    Args:
        files: from :func:`files_of`.
        memory: file in which hashes are remembered.
    """
    digests = Digests(memory)
    found = [digests.of(path, path.stat()) for path in files]
    digests.save()
    return digest(found)


def read_vectors(table: str, column: str, key: str, base: Path, scratch: Path) -> GivenVectors:
    """Read a table of vectors; 40 bytes of memory a line, the vectors themselves lie in a temporary file.

    Args:
        table: ``.parquet`` (or a pattern), ``.lance`` or ``.npy``; relative to ``base``.
        column: column of vectors.
        key: column of keys; of a ``.npy`` the name of the file with one key per line beside it.
        base: data folder.
        scratch: folder for the temporary file.

    Raises:
        SourceError: the table cannot be read, a key is missing or repeated, or vectors differ in length.
    """
    files = files_of(table, key, base)
    if files[0].suffix == ".npy":
        return _sorted(*_of_numpy(files[0], files[1]), files[0])
    keys: list[pl.Series] = []
    # The file has no name: it is gone when the array is, also after a crash.
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as spool:
        width = 0
        for found, vectors in _batches(files, table, column, key, base):
            if width and vectors.shape[1] != width:
                raise SourceError(f"{table}: vectors of {width} and of {vectors.shape[1]} numbers")
            width = vectors.shape[1]
            keys.append(found)
            spool.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        n = sum(map(len, keys))
        if not n or not width:
            raise SourceError(f"{table}: there is no vector in column {column!r}")
        spool.flush()
        array = np.memmap(spool, dtype=np.float32, mode="r+", shape=(n, width))
    return _sorted(pl.concat(keys), array, Path(table))


def width_of(table: str, column: str, key: str, base: Path) -> int:
    """Return the length of the vectors of a table, from its first lines.

    Raises:
        SourceError: as :func:`read_vectors`.
    """
    files = files_of(table, key, base)
    if files[0].suffix == ".npy":
        return _of_numpy(files[0], files[1])[1].shape[1]
    return next((vectors.shape[1] for _, vectors in _batches(files, table, column, key, base)), 0)


def _batches(
    files: list[Path], table: str, column: str, key: str, base: Path
) -> Iterator[tuple[pl.Series, np.ndarray]]:
    if Path(table).suffix == ".lance":
        return _of_lance(base / table, column, key)
    return _of_parquet(files, column, key)


def _sorted(keys: pl.Series, vectors: np.ndarray, path: Path) -> GivenVectors:
    if len(keys) != len(vectors):
        raise SourceError(f"{path}: {len(keys):,} keys for {len(vectors):,} vectors")
    if keys.null_count():
        raise SourceError(f"{path}: line {int(keys.is_null().arg_max() or 0)} has no key")
    repeated = keys.filter(keys.is_duplicated())
    if len(repeated):
        raise SourceError(f"{path}: the key {repeated[0]!r} occurs more than once")
    order = keys.arg_sort().to_numpy()
    return GivenVectors(keys.gather(order), _Ordered(vectors, order) if not keys.is_sorted() else vectors)  # type: ignore[arg-type]


class _Ordered:
    """An array whose rows are read in another order, without copying it."""

    def __init__(self, array: np.ndarray, order: np.ndarray) -> None:
        self._array, self._order = array, order
        self.shape = array.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self._array[self._order[rows]]


def _of_numpy(path: Path, keys: Path) -> tuple[pl.Series, np.ndarray]:
    vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2:
        raise SourceError(f"{path}: an array of {vectors.ndim} dimensions; vectors are lines of a matrix (n, d)")
    return pl.Series("key", keys.read_text("utf-8").splitlines(), dtype=pl.String), vectors


def _of_parquet(files: list[Path], column: str, key: str) -> Iterator[tuple[pl.Series, np.ndarray]]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for name in (column, key):
                if name not in file.schema_arrow.names:
                    have = ", ".join(file.schema_arrow.names)
                    raise SourceError(f"{path}: there is no column {name!r}; it has {have}")
            for batch in file.iter_batches(BATCH_ROWS, columns=[key, column]):
                yield _keys(batch.column(key)), _matrix(batch.column(column), path, column)


def _of_lance(path: Path, column: str, key: str) -> Iterator[tuple[pl.Series, np.ndarray]]:
    try:
        import lance
    except ImportError:
        hint = "pip install 'datasel_assets[lance]'"
        raise SourceError(f"{path}: reading Lance needs the package pylance: {hint}") from None
    dataset = lance.dataset(str(path))
    for batch in dataset.to_batches(columns=[key, column], batch_size=BATCH_ROWS):
        yield _keys(batch.column(key)), _matrix(batch.column(column), path, column)


def _keys(column: Any) -> pl.Series:
    return pl.Series("key", pl.from_arrow(column)).cast(pl.String)


def _matrix(column: pa.Array, path: Path, name: str) -> np.ndarray:
    """Return a column of lists of one length as a matrix."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise SourceError(f"{path}: column {name!r} holds {kind}, not lists of numbers")
    if column.null_count:
        raise SourceError(f"{path}: column {name!r} has lines without a vector; leave these lines out")
    lengths = (
        set(pl.Series(pl.from_arrow(column)).list.len().to_list())
        if not pa.types.is_fixed_size_list(kind)
        else {kind.list_size}
    )
    if len(lengths) > 1:
        raise SourceError(f"{path}: vectors in {name!r} differ in length: {', '.join(map(str, sorted(lengths)[:3]))}")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(len(column), -1)
