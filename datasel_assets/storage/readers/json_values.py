"""A JSON array of objects or of lists of turns, or such values one after the other, parsed as a stream.

Belongs here: finding the values of a text that never lies in memory as a whole. Not here: JSON Lines, where line ends
separate the rows (``json_lines``).
"""

import codecs
import io
import json
import re
from collections.abc import Iterator

from datasel_assets.raw_rows import RawRow, too_long, unreadable
from datasel_assets.storage.readers.json_lines import as_row, json_reason

CHUNK_BYTES = 1 << 20
_BLANK = re.compile(r"[\s,\ufeff]*")  # with byte order marks, which stand where files were put together
_JUNK = re.compile(r"[^,\[\]{}\"\ufeff]+")
_ESCAPED = re.compile("[\udc80-\udcff]")
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')
_decode = json.JSONDecoder().raw_decode


def rows(stream: io.BufferedReader, row_chars: int, start: int) -> Iterator[RawRow]:
    """Yield the elements of top-level arrays, and the values that stand outside of one.

    A value that cannot be parsed costs only itself as long as its brackets and quotes balance. What follows an
    unbalanced one is part of it. Commas are taken for blanks: a missing or an extra one loses no data.

    Args:
        stream: Bytes of the file.
        row_chars: Longest value, in characters; memory is bounded by this plus one chunk.
        start: Position of the first row.
    """
    text = _Text(stream)
    position = start
    in_array = False
    while char := text.next_char():
        if char == ("]" if in_array else "["):
            in_array = not in_array
            text.pos += 1
            continue
        yield _value(text, row_chars, position) if char in '{["' else _junk(text, position)
        position += 1
    if in_array and not text.broken_off:
        yield unreadable(position, "cut off: the file ends before the closing ']' of its array")


class _Text:
    """A window on the decoded file: ``buffer`` from ``pos`` on is what has not been consumed."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.buffer, self.pos = "", 0
        self.dirty = False  # whether a byte that is not UTF-8 has been seen anywhere yet
        self.broken_off = False  # whether the file ended inside a value

    def more(self, keep: bool = True) -> bool:
        """Append a chunk, or replace the window by it; False at the end of the file."""
        held = len(self.buffer) - self.pos if keep else 0
        chunk = ""
        while not chunk:
            data = self._stream.read(max(CHUNK_BYTES, held))  # doubling keeps long values linear
            chunk = self._decoder.decode(data, final=not data)
            if not data and not chunk:
                return False
        self.dirty = self.dirty or _ESCAPED.search(chunk) is not None
        self.buffer = self.buffer[self.pos :] + chunk if keep else chunk
        self.pos = 0
        return True

    def next_char(self) -> str:
        """Skip blanks and commas; the next character, not consumed, or "" at the end."""
        while True:
            self.pos = _BLANK.match(self.buffer, self.pos).end()  # type: ignore[union-attr]
            if self.pos < len(self.buffer):
                return self.buffer[self.pos]
            if not self.more(keep=False):
                return ""

    def rest(self, most: int) -> str:
        """Consume the file to its end; at most ``most`` characters of it."""
        kept = self.buffer[self.pos : self.pos + most]
        while self.more(keep=False):
            pass
        self.pos = len(self.buffer)
        return kept


class _Scanner:
    """Finds the end of one JSON value across chunks by brackets and quotes alone, in constant memory."""

    def __init__(self) -> None:
        self._depth = 0
        self._inside = False  # a string
        self._skip = 0  # characters to pass over: what follows a backslash

    def end(self, text: str, pos: int) -> int | None:
        """Go on at ``pos``; the index behind the value, or None when it does not end in this text."""
        pos += self._skip
        self._skip = 0
        while match := (_INSIDE if self._inside else _OUTSIDE).search(text, pos):
            char, pos = match[0], match.end()
            if char == "\\":
                pos += 1
            elif char == '"':
                self._inside = not self._inside
            else:
                self._depth += 1 if char in "{[" else -1
            if self._depth <= 0 and not self._inside:
                return pos
        self._skip = max(pos - len(text), 0)
        return None


def _value(text: _Text, row_chars: int, position: int) -> RawRow:
    """Consume one value. Usually it lies in the window whole and the C parser reads it at once."""
    start = text.pos
    try:
        value, end = _decode(text.buffer, start)
        error = None
    except (ValueError, RecursionError) as failure:
        # Broken, or only not all there yet: the brackets tell.
        value, error = None, failure
        scanner = _Scanner()
        end = scanner.end(text.buffer, start)
        while end is None:
            held = len(text.buffer) - start
            if held > row_chars:
                return _skip_value(text, scanner, row_chars, position)
            if not text.more():
                text.broken_off = True
                reason = "cut off: the file ends inside this row"
                return unreadable(position, reason, text.rest(row_chars))
            start = 0
            end = scanner.end(text.buffer, held)
            if end is not None:
                try:
                    value, error = _decode(text.buffer, start)[0], None
                except (ValueError, RecursionError) as failure:
                    error = failure
    text.pos = end
    raw = text.buffer[start:end]
    if len(raw) > row_chars:
        return too_long(position, row_chars, raw)
    if text.dirty and _ESCAPED.search(raw):
        return unreadable(position, "invalid UTF-8: bytes that are not UTF-8", raw)
    if error is not None:
        return unreadable(position, json_reason(error), raw)
    return as_row(value, position, raw)


def _skip_value(text: _Text, scanner: _Scanner, row_chars: int, position: int) -> RawRow:
    """Pass over a value that is too long to be held."""
    row = too_long(position, row_chars, text.buffer[text.pos : text.pos + row_chars])
    end = None
    while end is None:
        if not text.more(keep=False):
            text.broken_off = True
            text.pos = len(text.buffer)
            return row
        end = scanner.end(text.buffer, 0)
    text.pos = end
    return row


def _junk(text: _Text, position: int) -> RawRow:
    """Consume what is neither an object, an array nor a string, up to the next of these or a comma."""
    match = _JUNK.match(text.buffer, text.pos)
    start, text.pos = text.pos, match.end() if match else text.pos + 1
    found = text.buffer[start : text.pos]
    while text.pos == len(text.buffer) and text.more(keep=False):
        match = _JUNK.match(text.buffer)
        text.pos = match.end() if match else 0
        found = (found + text.buffer[: text.pos])[:CHUNK_BYTES]
        if not match:
            break
    return as_row(None, position, found.rstrip())
