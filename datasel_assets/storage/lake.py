"""The Parquet lake: named tables that know what they were made from.

Belongs here: where a table lies, how it is published, what its footer records, who may read it.
Does not belong here: which rows are stale (``increment``) and what the columns mean.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.parts import (
    FOOTER,
    GROUP_ROWS,
    PART_ROWS,
    Part,
    Publication,
    as_text,
    parts_of,
    read_manifest,
    remove_parts,
)
from datasel_assets.storage.run_log import add_run, read_runs

Key = tuple[str, ...]


class MissingTableError(FileNotFoundError):
    """A table that was asked for has never been published."""


class StaleTableError(RuntimeError):
    """A stored table was made by other code, another model or other parameters than the reader expects."""


@dataclass(frozen=True)
class Expected:
    """What a table must have been made from to count as current.

    Attributes:
        key: name of the table in the lake.
        fingerprint: hash of producer code version, model and all parameters.
        inputs: version of every input, by name.
    """

    key: Key
    fingerprint: str
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableInfo:
    """What the footer of a published table says.

    ``path`` is its file, or the folder of its parts; ``parts`` are its Parquet files in order (none for arrays).
    """

    key: Key
    path: Path
    rows: int
    bytes: int
    fingerprint: str
    data_version: str
    inputs: dict[str, str]
    meta: dict[str, Any]
    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Return the Parquet files, in order."""
        return [part.path for part in self.parts]


class Lake:
    """All tables under one warehouse folder.

    Tables are Parquet (zstd); sets of arrays (moments, bases, centroids) are safetensors. Every write goes to a
    temporary file in the same folder and is moved into place, so a reader sees the old table or the new one. A table of
    more than ``part_rows`` rows is several files in one folder, published together by a manifest (``parts``).
    """

    group_rows = GROUP_ROWS
    part_rows = PART_ROWS

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, key: Key, suffix: str = ".parquet") -> Path:
        """Return where the table ``key`` lies; key parts must be plain names."""
        for part in key:
            if not part or part in (".", "..") or "/" in part or "\\" in part or "\0" in part:
                raise ValueError(f"table key {key!r} has the part {part!r}: use plain names without separators")
        return self.root.joinpath(*key[:-1], key[-1] + suffix)

    # ------------------------------------------------------------------------------------------------ tables
    def write(
        self,
        expected: Expected,
        data: pa.Table | pl.DataFrame | Iterable[pa.RecordBatch | pa.Table],
        *,
        data_version: str | None = None,
        meta: Mapping[str, Any] | None = None,
        schema: pa.Schema | None = None,
        with_ids: bool = False,
    ) -> TableInfo:
        """Publish a table; ``data`` may be a stream, then ``schema`` is required.

        Args:
            expected: what the table is made from; stored in the footer.
            data: the rows.
            data_version: version seen by downstream tables; default hash of fingerprint and inputs.
            meta: deterministic facts for the footer (no clocks: equal inputs give equal bytes).
            schema: Arrow schema of a stream.
            with_ids: add the digest of its row ids to the facts, as ``ids``: tables with a line per row need it.
        """
        if isinstance(data, pl.DataFrame):
            data = data.to_arrow(compat_level=pl.CompatLevel.oldest())
        stream: Iterable[pa.RecordBatch | pa.Table] = data
        if isinstance(data, pa.Table):
            stream, schema = [data], data.schema  # type: ignore[union-attr]  # pyright does not see the narrowing
        if schema is None:
            raise ValueError(f"a stream for table {expected.key} needs a schema")
        with self.publication(expected, schema, notes_ids=with_ids) as out:
            out.write(stream, part_rows=self.part_rows)
            ids = {"ids": out.ids()} if with_ids else {}
            return self.publish(out, expected, data_version, {**(meta or {}), **ids})

    def publication(self, expected: Expected, schema: pa.Schema, *, notes_ids: bool = False) -> Publication:
        """Return what writes the table ``expected`` part by part; finish it with :meth:`publish`."""
        key = expected.key
        return Publication(self.path(key), self._folder(key), schema, self.group_rows, notes_ids=notes_ids)

    def publish(
        self, out: Publication, expected: Expected, data_version: str | None, meta: Mapping[str, Any] | None
    ) -> TableInfo:
        """Make a written table visible and return what its footer says."""
        out.publish(_footer(expected, data_version, meta))
        return self.require(expected.key)

    def info(self, key: Key) -> TableInfo | None:
        """Return the footer of a table or set of arrays, or None when it was never published."""
        path = self._folder(key)
        footer = read_manifest(path)
        parts = parts_of(path, footer)
        if footer is None:
            path, footer, parts = self._single(key)
        if path is None:
            return None
        if footer is None:
            raise StaleTableError(f"{path} was not written by this project: move it away and materialise it again")
        return TableInfo(
            key=key,
            path=path,
            rows=sum(part.rows for part in parts),
            bytes=sum(part.path.stat().st_size for part in parts) if parts else path.stat().st_size,
            fingerprint=footer["fingerprint"],
            data_version=footer["data_version"],
            inputs=footer["inputs"],
            meta=footer["meta"],
            parts=tuple(parts),
        )

    def _single(self, key: Key) -> tuple[Path | None, dict[str, Any] | None, list[Part]]:
        """Return path, footer and rows of a table or set of arrays that is one file."""
        path = self.path(key)
        if path.is_file():
            metadata = pq.read_metadata(path)
            raw = (metadata.metadata or {}).get(FOOTER.encode())
            return path, json.loads(raw) if raw else None, [Part(path, metadata.num_rows)]
        path = self.path(key, ".safetensors")
        if path.is_file():
            raw = _safetensors_footer(path)
            return path, json.loads(raw) if raw else None, []
        return None, None, []

    def _folder(self, key: Key) -> Path:
        """Return where the parts of a large table lie."""
        return self.path(key, ".parts")

    def version(self, key: Key) -> str:
        """Return the data version of a table, or ``"missing"``; used to record the inputs of another table."""
        info = self.info(key)
        return info.data_version if info else "missing"

    def is_current(self, expected: Expected) -> bool:
        """Tell whether the stored table was made by the same code and parameters from the same inputs."""
        info = self.info(expected.key)
        return info is not None and info.fingerprint == expected.fingerprint and info.inputs == dict(expected.inputs)

    def require(self, key: Key, fingerprint: str | None = None) -> TableInfo:
        """Return the footer of a table that must exist and, where given, bear ``fingerprint``.

        Raises:
            MissingTableError: never published.
            StaleTableError: published with another fingerprint.
        """
        info = self.info(key)
        name = "/".join(key)
        if info is None:
            raise MissingTableError(f"table {name} does not exist yet: materialise the asset that writes it first")
        if fingerprint is not None and info.fingerprint != fingerprint:
            raise StaleTableError(
                f"table {name} has fingerprint {info.fingerprint}, but {fingerprint} is expected: its model, "
                f"parameters or code changed since it was written; materialise the asset that writes {name} again"
            )
        return info

    def scan(self, key: Key, fingerprint: str | None = None) -> pl.LazyFrame:
        """Scan a table lazily; refuses a missing table or another fingerprint (see :meth:`require`)."""
        return pl.scan_parquet(self.require(key, fingerprint).files, glob=False)

    def read_batches(
        self, key: Key, columns: Sequence[str], *, fingerprint: str | None = None, rows: int = GROUP_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Stream a table as Arrow batches of at most ``rows`` rows."""
        for path in self.require(key, fingerprint).files:
            with pq.ParquetFile(path, memory_map=True) as file:
                yield from file.iter_batches(batch_size=rows, columns=list(columns))

    # ------------------------------------------------------------------------------------------------ arrays
    def write_arrays(
        self,
        expected: Expected,
        arrays: Mapping[str, np.ndarray],
        *,
        data_version: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> TableInfo:
        """Publish a set of named arrays as safetensors."""
        from safetensors.numpy import save_file

        footer = as_text(_footer(expected, data_version, meta))
        with atomic_path(self.path(expected.key, ".safetensors")) as temporary:
            save_file(
                {name: np.asarray(array, order="C") for name, array in arrays.items()},
                temporary,
                metadata={FOOTER: footer},
            )
        info = self.info(expected.key)
        assert info is not None
        return info

    def read_arrays(self, key: Key, fingerprint: str | None = None) -> dict[str, np.ndarray]:
        """Load a set of named arrays; refuses as :meth:`require`."""
        from safetensors.numpy import load_file

        return load_file(self.require(key, fingerprint).path)

    # ------------------------------------------------------------------------------------------------ housekeeping
    def tables(self, *prefix: str) -> list[Key]:
        """Return the keys of all published tables and arrays under ``prefix``, sorted."""
        folder = self.root.joinpath(*prefix)
        found = []
        for path in folder.rglob("*") if folder.is_dir() else []:
            parts = path.relative_to(self.root).parts
            hidden = any(p.startswith(("_", ".")) for p in parts) or path.parent.suffix == ".parts"
            # A killed process leaves parts that no manifest names.
            there = read_manifest(path) is not None if path.suffix == ".parts" else True
            if path.suffix in (".parquet", ".safetensors", ".parts") and not hidden and there:
                found.append((*parts[:-1], path.name.removesuffix(path.suffix)))
        return sorted(set(found))

    def delete(self, key: Key) -> None:
        """Remove a table or a set of arrays."""
        for suffix in (".parquet", ".safetensors"):
            self.path(key, suffix).unlink(missing_ok=True)
        remove_parts(self._folder(key))

    def shard_folder(self, expected: Expected) -> Path:
        """Return where finished shards of an unfinished table wait for the next attempt."""
        return self.root.joinpath("_shards", *expected.key, expected.fingerprint)

    def clear_shards(self, key: Key) -> None:
        """Drop the shards of a table, of any fingerprint."""
        shutil.rmtree(self.root.joinpath("_shards", *key), ignore_errors=True)

    def log_run(self, **record: Any) -> None:
        """Keep what a step cost."""
        add_run(self.root, record)

    def runs(self) -> list[dict[str, Any]]:
        """Return what all steps cost, oldest first."""
        return read_runs(self.root)


def _footer(expected: Expected, data_version: str | None, meta: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "fingerprint": expected.fingerprint,
        "data_version": data_version or digest([expected.fingerprint, dict(expected.inputs)]),
        "inputs": dict(expected.inputs),
        "meta": dict(meta or {}),
    }


def _safetensors_footer(path: Path) -> str | None:
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        header = json.loads(handle.read(size))
    return header.get("__metadata__", {}).get(FOOTER)
