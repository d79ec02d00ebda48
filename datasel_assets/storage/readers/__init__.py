"""Readers: from the address in a source file to raw rows.

``locate`` finds the files, ``snapshot`` fingerprints them as well, ``read_rows`` reads them.
"""

from datasel_assets.raw_rows import RawRow, SourceError
from datasel_assets.storage.readers.generators import GENERATORS
from datasel_assets.storage.readers.read import read_rows
from datasel_assets.storage.readers.resolve import FileEntry, Snapshot, locate, snapshot

__all__ = ["GENERATORS", "FileEntry", "RawRow", "Snapshot", "SourceError", "locate", "read_rows", "snapshot"]
