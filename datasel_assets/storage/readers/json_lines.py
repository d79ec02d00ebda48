"""JSON Lines: one object per line.

Belongs here: splitting lines in bounded memory and parsing each on its own. Not here: JSON arrays (``json_values``).
"""

import io
import json
from collections.abc import Iterator

from datasel_assets.raw_rows import RawRow, too_long, unreadable


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
        elif line := line.strip(b" \t\r\n"):
            yield _row(line, row_chars, position)
        else:
            continue
        position += 1


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
    """A parsed value as a row; only objects have fields."""
    if isinstance(value, dict):
        return RawRow(position, value)
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
