"""A table that is being written: one Parquet file, or immutable parts under a manifest where it is large.

Belongs here: cutting a stream into parts, naming them by their content, making all of them visible at once.
Does not belong here: where tables lie and how they are read (``lake``).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.atomic import fsync_folder, storage_errors, sweep, temporary_beside, write_json
from datasel_assets.storage.fingerprint import ids_digest, ids_sum, merged_sums

FOOTER = "datasel"
MANIFEST = "manifest.json"
GROUP_ROWS = 8192
"""Rows of a Parquet row group: what one unit of work reads."""
PART_ROWS = 122 * GROUP_ROWS
"""Rows of a part: about a million."""
PART_BYTES = 512 << 20
"""A stream is also cut where its file reaches this size."""
_PLAIN_COLUMNS = {"row_id", "content_hash", "duplicate_of", "prompt", "response", "extra", "raw"}


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Attributes:
        path: the Parquet file.
        rows: rows in it.
        ids: mergeable digest of its row ids; empty in a table that is one file.
        made_of: name of the part of the upstream table that it was made from; empty where there is none.
    """

    path: Path
    rows: int
    ids: str = ""
    made_of: str = ""


class Publication:
    """Writes a table part by part; nothing is visible before :meth:`publish`.

    A table of one part becomes ``<name>.parquet`` with its facts in the footer. Several parts lie in ``<name>.parts/``
    beside a manifest, which is replaced last. A ``with`` block that ends without :meth:`publish` leaves nothing behind.
    """

    def __init__(
        self, single: Path, folder: Path, schema: pa.Schema, group_rows: int = GROUP_ROWS, *, notes_ids: bool = False
    ) -> None:
        """Prepare to write; with ``notes_ids`` the row ids of the first part are held for :meth:`ids`."""
        self._single, self._folder, self._group_rows = single, folder, group_rows
        self._schema = schema.remove_metadata()
        self._parts: list[Part] = []
        self._own: list[Path] = []
        self._ids: list[pl.Series] = []
        self._notes_ids = notes_ids
        self._writer: pq.ParquetWriter | None = None
        self._temporary = single
        self._rows = 0
        self._made_of = ""

    def __enter__(self) -> "Publication":
        """Start writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not published."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._temporary.unlink(missing_ok=True)
        # Another process may have published the same content meanwhile.
        for path in {*self._own} - {part.path for part in parts_of(self._folder, read_manifest(self._folder))}:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()  # where it holds nothing

    def write(
        self,
        pieces: Iterable[pa.RecordBatch | pa.Table],
        *,
        made_of: str = "",
        part_rows: int | None = None,
        part_bytes: int = PART_BYTES,
    ) -> None:
        """Write rows as a part; where ``part_rows`` is given, as many parts as they need.

        The rows of a part are cut into row groups of the same size however the stream was cut.
        """
        self._close_part()
        self._open_part(made_of)
        for piece in regrouped(pieces, self._schema, self._group_rows):
            full = part_rows is not None and (self._rows >= part_rows or self._size() >= part_bytes)
            if full and self._rows:
                self._close_part()
                self._open_part(made_of)
            assert self._writer is not None
            with storage_errors(self._single):
                self._writer.write_table(piece, row_group_size=self._group_rows)
            self._rows += piece.num_rows
            if self._notes_ids and not self._parts:
                self._ids.append(pl.Series(pl.from_arrow(piece.column("row_id")), dtype=pl.String))

    def keep(self, part: Part, made_of: str) -> None:
        """Take over a part of the stored table as it is."""
        self._close_part()
        self._parts.append(Part(part.path, part.rows, part.ids, made_of))

    def ids(self) -> str:
        """Return the digest of all row ids; afterwards nothing can be written.

        That of :func:`ids_digest` where the table is one part, else the sum over its parts (:func:`merged_sums`), so
        that nobody needs all ids of a large table at once.
        """
        assert self._notes_ids, "ids are noted only where that was asked for"
        if not self._parts:
            return ids_digest(pl.concat([pl.Series(dtype=pl.String), *self._ids]))
        self._close_part()
        return merged_sums(part.ids for part in self._parts)

    def publish(self, footer: Mapping[str, Any]) -> None:
        """Make the table visible with these facts; they may name what is known only now."""
        if self._writer is not None and not self._parts:
            self._publish_single(footer)
        else:
            self._close_part()
            self._publish_parts(footer)

    def parts(self) -> list[Part]:
        """Return the parts that are finished."""
        return list(self._parts)

    def _open_part(self, made_of: str) -> None:
        self._single.parent.mkdir(parents=True, exist_ok=True)
        sweep(self._single)
        self._temporary, self._rows, self._made_of = temporary_beside(self._single), 0, made_of
        repetitive = [f.name for f in self._schema if pa.types.is_string(f.type) and f.name not in _PLAIN_COLUMNS]
        with storage_errors(self._single):
            self._writer = pq.ParquetWriter(
                self._temporary,
                self._schema,
                compression="zstd",
                use_dictionary=repetitive,  # type: ignore[arg-type]  # a list of columns is accepted
            )

    def _size(self) -> int:
        return self._temporary.stat().st_size

    def _close_part(self) -> None:
        """Finish the open part under the name of its content."""
        if self._writer is None:
            return
        with storage_errors(self._single):
            self._writer.close()
            self._writer = None
            self._folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.blake2b(digest_size=16)
            with self._temporary.open("rb") as handle:
                while block := handle.read(1 << 22):
                    name.update(block)
                os.fsync(handle.fileno())
            path = self._folder / f"{name.hexdigest()}.parquet"
            if path.is_file():
                self._temporary.unlink()
            else:
                self._temporary.replace(path)
                self._own.append(path)
        has_ids = "row_id" in self._schema.names
        ids = ids_sum(pl.read_parquet(path, columns=["row_id"], glob=False)["row_id"]) if has_ids else ""
        self._parts.append(Part(path, self._rows, ids, self._made_of))
        self._ids = []

    def _publish_single(self, footer: Mapping[str, Any]) -> None:
        assert self._writer is not None
        with storage_errors(self._single):
            self._writer.add_key_value_metadata({FOOTER: as_text(footer)})
            self._writer.close()
            self._writer = None
            with self._temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            self._temporary.replace(self._single)
            fsync_folder(self._single.parent)
        remove_parts(self._folder)

    def _publish_parts(self, footer: Mapping[str, Any]) -> None:
        before = {part.path for part in parts_of(self._folder, read_manifest(self._folder))}
        listed = [
            {"file": p.path.name, "rows": p.rows, "bytes": p.path.stat().st_size, "ids": p.ids, "made_of": p.made_of}
            for p in self._parts
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        write_json(self._folder / MANIFEST, {**footer, "parts": listed})
        self._own = []
        self._single.unlink(missing_ok=True)
        # A reader that opened the manifest a moment ago still finds the parts of the version before.
        kept = before | {part.path for part in self._parts}
        for path in self._folder.glob("*.parquet"):
            if path not in kept:
                path.unlink(missing_ok=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a table in parts, or None where there is none."""
    try:
        return json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        return None


def parts_of(folder: Path, manifest: Mapping[str, Any] | None) -> list[Part]:
    """Return the parts that the manifest of a folder names, in order; without one there are none."""
    listed = manifest["parts"] if manifest else []
    return [Part(folder / p["file"], p["rows"], p["ids"], p["made_of"]) for p in listed]


def table_name(file: Path) -> str:
    """Return the last part of the key of the table that a Parquet file holds, or is a part of.

    >>> table_name(Path("corpus/sums.parquet")), table_name(Path("corpus/sums.parts/0123abcd.parquet"))
    ('sums', 'sums')
    """
    return file.parent.stem if file.parent.suffix == ".parts" else file.stem


def remove_parts(folder: Path) -> None:
    """Remove a table in parts; the manifest goes first, so that nobody sees half of it."""
    if folder.is_dir():
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def as_text(footer: Mapping[str, Any]) -> str:
    """Return the facts of a table as canonical JSON."""
    return json.dumps(footer, sort_keys=True, ensure_ascii=False)


def regrouped(
    data: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema, rows: int = GROUP_ROWS
) -> Iterator[pa.Table]:
    """Merge small pieces into full row groups: bytes must not depend on how a stream was cut."""
    waiting: list[pa.Table] = []
    count = 0
    for piece in data:
        table = pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece
        waiting.append(table.cast(schema))
        count += table.num_rows
        while count >= rows:
            merged = pa.concat_tables(waiting).combine_chunks()
            yield merged.slice(0, rows)
            rest = merged.slice(rows)
            waiting, count = [rest], rest.num_rows
    if count:
        yield pa.concat_tables(waiting).combine_chunks()
