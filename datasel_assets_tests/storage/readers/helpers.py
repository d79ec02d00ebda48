"""Write a file, read it back through the public functions."""

from pathlib import Path

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import RawRow, read_rows, snapshot


def read(folder: Path, name: str, data: bytes | str, **limits: int) -> list[RawRow]:
    """Rows of one file with this content."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_uri(folder, name, **limits)


def read_uri(folder: Path, uri: str | list[str], **limits: int) -> list[RawRow]:
    """Rows of what is already there."""
    spec = SourceSpec(uri=uri, limits=limits)
    return list(read_rows(snapshot(spec, "s", folder, folder / "cache"), spec))


def records(rows: list[RawRow]) -> list[dict | None]:
    """Records by position, after a check that positions count from 0 without a gap."""
    assert [row.position for row in rows] == list(range(len(rows)))
    assert all((row.record is None) == (row.reason is not None) for row in rows)
    return [row.record for row in rows]


def reasons(rows: list[RawRow]) -> list[str]:
    """Reasons of the rows that could not be read."""
    return [row.reason for row in rows if row.reason is not None]
