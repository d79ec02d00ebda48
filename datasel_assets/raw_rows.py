"""Rows of a source as they come, before any schema is applied, and the error of a source that gives none.

Belongs here: types that readers of files, generated datasets and their callers share. Not here: how a format is parsed,
how rows are generated, what a schema makes of them.
"""

from dataclasses import dataclass
from typing import Any

RAW_CHARS = 10_000
"""Most characters of a refused row that the quarantine keeps."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record of a source as it was read, before any schema is applied.

    A source never raises for a bad row: it yields the row with ``record=None`` and says why, so that rows in
    always equals rows kept plus rows quarantined.

    Attributes:
        position: Zero-based ordinal of the row over all files of the source.
        record: Field name -> value, or None when the row could not be read.
        reason: Why the row is unreadable, as ``<category>: <detail>``; None for a readable row.
        raw: What could be read of an unreadable row (cut short), for the person who looks at the quarantine.
    """

    position: int
    record: dict[str, Any] | None
    reason: str | None = None
    raw: str | None = None


class SourceError(ValueError):
    """A file that cannot be found, fetched or read as a whole; the message names the file and what to do."""


def unreadable(position: int, reason: str, raw: bytes | str = "") -> RawRow:
    """A row for the quarantine; ``raw`` is cut short and made printable UTF-8."""
    if isinstance(raw, bytes):
        text = raw[: 4 * RAW_CHARS].decode("utf-8", "backslashreplace")
    else:
        text = raw[:RAW_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return RawRow(position, None, reason, text[:RAW_CHARS])


def too_long(position: int, limit: int, raw: bytes | str, hint: str = "") -> RawRow:
    """A row over the limit on the characters of one row."""
    return unreadable(position, f"row too long: more than limits.row_chars = {limit:,} characters{hint}", raw)
