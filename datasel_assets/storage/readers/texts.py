"""Files that are one text each. Belongs here: which those are, and decoding them. Not here: what stands in them."""

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.readers.resolve import FileEntry
from datasel_assets.storage.readers.streams import COMPRESSED, open_stream

SUFFIXES = {".txt": "plain", ".md": "plain", ".markdown": "plain", ".rst": "plain", ".html": "html", ".htm": "html"}
"""Ending of a file -> how its text is read."""


def text_kind(entry: FileEntry) -> str | None:
    """Return how a file that is one text is read: ``plain`` or ``html``; None for a file of records."""
    endings = [suffix.lower() for suffix in entry.path.suffixes if suffix.lower() not in COMPRESSED]
    return SUFFIXES.get(endings[-1]) if endings else None


def read_text(entry: FileEntry, file_bytes: int) -> str:
    """Return the text of a file, with line ends as newlines.

    Raises:
        SourceError: it is no UTF-8, too large, damaged, or has changed since it was found.
    """
    if not entry.unchanged():
        raise SourceError(f"{entry.path}: it changed while it was being read; run again when it is complete")
    with open_stream(entry.path, file_bytes) as stream:
        content = stream.read()
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{entry.path}: byte {error.start} is no UTF-8: save the file as UTF-8") from error
