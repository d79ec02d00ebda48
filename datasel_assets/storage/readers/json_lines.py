"""JSON Lines: one object, or one list of turns, per line.

Belongs here: splitting lines in bounded memory and parsing each on its own. Not here: JSON arrays (``json_values``).
"""

import io
import json
from collections.abc import Iterator

from datasel_assets.raw_rows import RawRow, too_long, unreadable
from datasel_assets.storage.readers.streams import UTF8_BOM

_decode = json.JSONDecoder().raw_decode
BLANK = b" \t\r\n"
TURNS = "messages"
"""Field of a row that is nothing but a list of turns."""


def rows(stream: io.BufferedReader, row_chars: int, start: int) -> Iterator[RawRow]:
    """Yield one row per line that is not blank; a line that cannot be read costs only itself.

    Args:
        stream: Bytes of the file.
        row_chars: Longest line, in characters; at most four times as many bytes are held.
        start: Position of the first row.
    """
    position = start
    most = 4 * row_chars + 2  # UTF-8 takes at most four bytes per character; the rest is the line end
    while line := stream.readline(most):
        if len(line) == most and not line.endswith(b"\n"):
            _skip_line(stream)
            yield too_long(position, row_chars, line)
            position += 1
            continue
        for row in _line(line, row_chars, position):
            yield row
            position = row.position + 1


def _line(line: bytes, row_chars: int, position: int) -> Iterator[RawRow]:
    """Rows of a line: none when it is blank, several where files without a last line end were put together."""
    if UTF8_BOM not in line:
        if line := line.strip(BLANK):
            yield _row(line, row_chars, position)
        return
    while line := line.strip(BLANK):
        if line.startswith(UTF8_BOM):
            line = line[len(UTF8_BOM) :]
            continue
        end = _end_before_mark(line)
        yield _row(line[:end].strip(BLANK), row_chars, position)
        line, position = line[end:], position + 1


def _end_before_mark(line: bytes) -> int:
    """Bytes of the line's first value if a byte order mark comes next, else of the whole line."""
    try:
        text = line.decode()
        end = _decode(text)[1]
    except (ValueError, RecursionError):
        return len(line)
    if not text[end:].lstrip().startswith("\ufeff"):
        return len(line)
    return len(text[:end].encode())


def _row(line: bytes, row_chars: int, position: int) -> RawRow:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return unreadable(position, f"invalid UTF-8: byte {error.start} of the line", line)
    if len(text) > row_chars:
        return too_long(position, row_chars, text)
    try:
        return as_row(json.loads(text), position, text)
    except (ValueError, RecursionError) as error:
        return unreadable(position, json_reason(error), text)


def as_row(value: object, position: int, raw: str) -> RawRow:
    """A parsed value as a row: an object, or a list of turns, which stands for an object that holds it."""
    if isinstance(value, dict):
        return RawRow(position, value)
    if isinstance(value, list) and value and all(isinstance(turn, dict | list) for turn in value):
        return RawRow(position, {TURNS: value})
    return unreadable(position, "not an object: a row must be a JSON object with named fields", raw)


def json_reason(error: ValueError | RecursionError) -> str:
    """Why a JSON text could not be parsed."""
    if isinstance(error, RecursionError):
        return "nested too deeply: the JSON has too many levels"
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON: {error.msg}"
    return f"broken JSON: {error}"


def _skip_line(stream: io.BufferedReader) -> None:
    while (piece := stream.readline(1 << 20)) and not piece.endswith(b"\n"):
        pass
