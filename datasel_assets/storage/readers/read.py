"""From a snapshot to raw rows: which reader a file gets, and the numbering of rows over all files.

Belongs here: dispatch. Not here: how a format is parsed (one module each), schemas (``corpus``).
"""

import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from datasel_assets.formats.turn_lists import style_of
from datasel_assets.raw_rows import RawRow, SourceError
from datasel_assets.specs.source import Limits, Located
from datasel_assets.storage.readers import csv_rows, json_lines, json_values, parquet_rows
from datasel_assets.storage.readers.resolve import FileEntry, Generated, Part, Snapshot
from datasel_assets.storage.readers.streams import COMPRESSED, HEAD_BYTES, open_stream

LINE_SUFFIXES = {".jsonl", ".ndjson"}
JSON_SUFFIXES = {".json", *LINE_SUFFIXES}
CSV_SUFFIXES = {".csv", ".tsv"}
PARQUET_MAGIC = b"PAR1"
_ARRAY = re.compile(rb"\[\s*[{\[\]]")
_FIRST_TURN = re.compile(rb'\[\s*\{\s*"(role|from|speaker)"\s*:\s*"')


def read_rows(snapshot: Snapshot, spec: Located) -> Iterator[RawRow]:
    """Yield the rows of a source in order, numbered from 0 over all its parts.

    A row that cannot be read comes as a row with a reason. Memory: a few megabytes, or a few times
    ``limits.row_chars`` where that is more.

    Raises:
        SourceError: a file as a whole is unreadable, breaks a limit, or changes while it is read.
    """
    position = 0
    for part in snapshot.parts:
        for row in _part_rows(part, spec.limits, position):
            position = row.position + 1
            yield row


def _part_rows(part: Part, limits: Limits, start: int) -> Iterator[RawRow]:
    if isinstance(part, FileEntry):
        yield from _file_rows(part, limits, start)
    elif isinstance(part, Generated):
        for row in part.generator.rows(part.query):
            yield RawRow(start + row.position, row.record, row.reason, row.raw)
    else:
        for i, record in enumerate(part.records):
            yield RawRow(start + i, record)


def _file_rows(entry: FileEntry, limits: Limits, start: int) -> Iterator[RawRow]:
    _require_unchanged(entry)
    with open_stream(entry.path, limits.file_bytes) as stream:
        suffix = next((s for s in reversed([s.lower() for s in entry.path.suffixes]) if s not in COMPRESSED), "")
        head = stream.peek(HEAD_BYTES).lstrip(b" \t\r\n")
        if head.startswith(PARQUET_MAGIC):
            with _seekable(stream, entry.path) as file:
                yield from parquet_rows.rows(file, limits.row_chars, limits.file_bytes, start, entry.path)
        elif suffix in CSV_SUFFIXES:
            yield from csv_rows.rows(stream, limits.row_chars, start, entry.path)
        elif suffix in JSON_SUFFIXES or head.startswith((b"{", b"[")):
            reader = json_values if _is_sequence(head, suffix) else json_lines
            yield from reader.rows(stream, limits.row_chars, start)
        else:
            raise SourceError(
                f"{entry.path}: its format cannot be told from its name or its first bytes; supported are .json, "
                ".jsonl, .ndjson, .csv, .tsv and .parquet, each also with .gz or .zst"
            )
    _require_unchanged(entry)


def _is_sequence(head: bytes, suffix: str) -> bool:
    """Whether JSON text is one array or values over several lines; otherwise every line is a value of its own.

    Many files named ``.json`` hold JSON Lines, and some named ``.jsonl`` an array of objects. In pretty-printed text
    the first line is an opening brace alone. A line that is a list of turns is a value of its own.
    """
    first, end, rest = head.partition(b"\n")
    if not head.startswith(b"["):
        return suffix not in LINE_SUFFIXES and bool(end) and not first.rstrip().endswith(b"}")
    several = suffix in LINE_SUFFIXES or rest.lstrip().startswith(b"[")
    if several and _is_turns(first, whole=bool(end) or len(head) < HEAD_BYTES):
        return False
    return suffix not in LINE_SUFFIXES or _ARRAY.match(head) is not None


def _is_turns(line: bytes, whole: bool) -> bool:
    """Whether a line is a list of turns, as objects or as pairs; of one that is not seen whole, its beginning tells."""
    if not whole:
        return _FIRST_TURN.match(line) is not None
    try:
        turns = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(turns, list) or not turns:
        return False
    pairs = all(isinstance(turn, list) and all(isinstance(text, str) for text in turn) for turn in turns)
    return pairs or all(style_of(turn) is not None for turn in turns)


def _seekable(stream: io.BufferedReader, path: Path) -> IO[bytes]:
    """The file itself, or an unnamed temporary copy when it is compressed: Parquet is read from its end."""
    with path.open("rb") as plain:
        compressed = plain.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC
    if not compressed:
        return path.open("rb")
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    shutil.copyfileobj(stream, copy, 1 << 20)
    copy.seek(0)
    return copy


def _require_unchanged(entry: FileEntry) -> None:
    try:
        unchanged = entry.unchanged()
    except OSError as error:
        raise SourceError(f"{entry.path}: it is gone or cannot be read ({error.strerror}); run again") from error
    if not unchanged:
        raise SourceError(f"{entry.path}: it changed while the source was being read; run again when it is complete")
