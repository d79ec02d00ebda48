"""CSV and TSV with a header, read in bounded memory.

Belongs here: records of the csv module, quoted fields over several lines included. Not here: types; every value is
text.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasel_assets.raw_rows import RawRow, SourceError, too_long, unreadable

DELIMITERS = ",\t;"
MARK = "\ufeff"
_LINE_END = re.compile(rb'"|\r*\n|\r+')
_SWAP_BYTES = bytes.maketrans(b"\r\n", b"\n\r")
_SWAP_TEXT = str.maketrans("\r\n", "\n\r")


def rows(stream: io.BufferedReader, row_chars: int, start: int, path: Path) -> Iterator[RawRow]:
    """Yield one row per record below the header; blank lines are no records.

    The delimiter is the commonest of comma, tab and semicolon in the header. Lines end as the header does: with a
    line feed, or with a carriage return alone. A record with more or fewer fields than the header, bytes that are
    not UTF-8, or more than ``row_chars`` characters costs only itself; the last is what a quote that is never closed
    leads to. In files that were put together of several, a byte order mark is no text, and a header behind one is no
    record; a record that repeats the header without one is refused.

    Args:
        stream: Bytes of the file.
        row_chars: Longest record, in characters.
        start: Position of the first row.
        path: File, for messages.

    Raises:
        SourceError: no header, or one with repeated names.
    """
    # The limit of the csv module is global to the process, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), 4 * row_chars + 2))
    lines = _Lines(stream, row_chars)
    header, delimiter = _header(lines, path)
    lines.head = lines.raw.strip("\r\n")
    position = start
    while not lines.ended:
        for fields in _records(lines, delimiter):
            if fields is None or isinstance(fields, csv.Error):
                if fields is None:
                    hint = f" (lines {lines.first} to {lines.number}: is a quote never closed?)"
                    yield too_long(position, row_chars, lines.raw, hint)
                else:
                    yield unreadable(position, f"broken CSV: {fields}", lines.raw)
            elif lines.dirty:
                yield unreadable(position, "invalid UTF-8: bytes that are not UTF-8", lines.raw)
            elif len(fields) != len(header):
                reason = f"wrong number of fields: {len(fields)}, the header has {len(header)}"
                yield unreadable(position, reason, lines.raw)
            elif fields == header:
                yield unreadable(position, "repeated header: the line names the columns again", lines.raw)
            else:
                yield RawRow(position, dict(zip(header, fields, strict=True)))
            position += 1


class _Swapped(io.RawIOBase):
    """A stream in which carriage returns and line feeds have changed places, so that lines end with line feeds."""

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read1(len(buffer)).translate(_SWAP_BYTES)
        buffer[: len(data)] = data
        return len(data)


def _ends_with_returns(head: bytes) -> bool:
    """Whether the first line, as far as it is seen, ends with a carriage return and no line feed."""
    inside = False
    for match in _LINE_END.finditer(head):
        if match[0] == b'"':
            inside = not inside
        elif not inside:
            return not match[0].endswith(b"\n") and match.end() < len(head)
    return False


class _TooLong(Exception):
    """The record under way exceeds the limit; its rest has been skipped."""


class _Lines:
    """Lines for the csv reader, with what belongs to the record under way."""

    def __init__(self, stream: io.BufferedReader, row_chars: int) -> None:
        self._most = row_chars
        self._swapped = _ends_with_returns(stream.peek())
        self._stream = io.BufferedReader(_Swapped(stream)) if self._swapped else stream  # type: ignore[type-var]
        self.head = ""  # the header, once it has been read
        self.number = 0
        self.ended = False
        self.next_record()

    def next_record(self) -> None:
        """Forget the lines so far: the next line begins a record."""
        self._parts: list[str] = []
        self._chars = 0
        self.dirty = False
        self.first = self.number + 1

    @property
    def raw(self) -> str:
        """Text of the record under way."""
        return "".join(self._parts)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._stream.readline(4 * self._most + 2)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "surrogateescape")
            self.dirty = True
        continued = bool(self._parts)
        if self._swapped:
            text = text.translate(_SWAP_TEXT)
            text = text if continued else text.removeprefix("\n")  # of a piece whose lines end with both
        if MARK in text:
            text = self._without_marks(text, continued)
        self._parts.append(text)
        self._chars += len(text)
        if self._chars > self._most + 2:
            self._skip(line, continued)
            raise _TooLong
        return text

    def _without_marks(self, text: str, continued: bool) -> str:
        """The line without what only says that another file begins here: a mark, and the header behind it."""
        bare = text.rstrip("\r\n")
        if self.head and bare.endswith(MARK + self.head):
            return bare[: -len(self.head)].rstrip(MARK) + text[len(bare) :]
        return text if continued else text.lstrip(MARK)

    def _skip(self, line: bytes, inside: bool) -> None:
        """Pass over the rest of the record: to the line end, and on while a quoted field is open.

        The csv reader asks for another line of the same record only inside a quoted field, where quotes come in
        pairs; an odd number in a line therefore closes the field.
        """
        while True:
            inside ^= line.count(b'"') % 2 == 1
            while line and not line.endswith(b"\n"):
                line = self._stream.readline(1 << 20)
                inside ^= line.count(b'"') % 2 == 1
            if not inside or not line:
                return
            line = self._stream.readline(1 << 20)
            self.number += 1


def _records(lines: _Lines, delimiter: str) -> Iterator[list[str] | csv.Error | None]:
    """Records until the file ends or one is bad: None when it was too long, the error when csv refuses it."""
    reader = csv.reader(lines, delimiter=delimiter)
    lines.next_record()
    try:
        for fields in reader:
            if fields:
                yield fields
            lines.next_record()
    except _TooLong:
        yield None
    except csv.Error as error:
        yield error


def _header(lines: _Lines, path: Path) -> tuple[list[str], str]:
    try:
        first = next(lines, "")
        delimiter = max(DELIMITERS, key=first.count)
        header = next(csv.reader(_chain(first, lines), delimiter=delimiter), [])
    except (csv.Error, _TooLong) as error:
        raise SourceError(f"{path}: the header line cannot be read ({error or 'too long'})") from error
    if not any(name.strip() for name in header):
        raise SourceError(f"{path}: the first line must name the columns, but it is empty")
    if lines.dirty:
        raise SourceError(f"{path}: the header line is not UTF-8; save the file as UTF-8")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise SourceError(f"{path}: the header repeats the column {repeated[0]!r}; give each column its own name")
    return header, delimiter


def _chain(first: str, lines: _Lines) -> Iterator[str]:
    yield first
    yield from lines
