"""Readers: from the address in a source file to raw rows. ``snapshot`` finds and fingerprints, ``read_rows`` reads."""

from datasel_assets.raw_rows import RawRow, SourceError
from datasel_assets.storage.readers.generators import GENERATORS
from datasel_assets.storage.readers.read import read_rows
from datasel_assets.storage.readers.resolve import FileEntry, Snapshot, snapshot

__all__ = ["GENERATORS", "FileEntry", "RawRow", "Snapshot", "SourceError", "read_rows", "snapshot"]
