"""Open a file for reading: decompression by magic bytes, and the limit on what it may decompress to.

Belongs here: bytes. Not here: rows.
"""

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from datasel_assets.raw_rows import SourceError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame that readers pass over (RFC 8878, section 3.1.2); some compressors begin with one."""
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
COMPRESSED = {".gz", ".zst"}
UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
UTF8_BOM = b"\xef\xbb\xbf"
BUFFER_BYTES = 1 << 20
HEAD_BYTES = 1 << 10


def open_stream(path: Path, file_bytes: int) -> "io.BufferedReader[Any]":
    """Open ``path``, decompressing gzip and zstd, positioned behind a byte order mark.

    Compression is told by content, not by name: some servers decompress what they send.

    Args:
        path: Local file.
        file_bytes: Most bytes that may come out of it, after decompression.

    Raises:
        SourceError: unsupported compression or encoding, or a name that ends in .gz or .zst over bytes that are
            neither that nor data; while reading, damaged data or more than ``file_bytes``.
    """
    file = path.open("rb")
    try:
        magic = file.read(6)
        compressed = True
        for start, kind in UNSUPPORTED.items():
            if magic.startswith(start):
                raise SourceError(f"{path}: {kind} is not supported; convert it to UTF-8, plain or with gzip or zstd")
        file.seek(0)
        inner: Any = file
        if magic.startswith(GZIP):
            inner = gzip.GzipFile(fileobj=file)
        elif magic.startswith(ZSTD) or ZSTD_SKIPPABLE.match(magic):
            inner = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
        else:
            compressed = False
        stream = io.BufferedReader(_Limited(path, file, inner, file_bytes), BUFFER_BYTES)
        while stream.peek(len(UTF8_BOM))[: len(UTF8_BOM)] == UTF8_BOM:
            stream.read(len(UTF8_BOM))
        if not compressed and path.suffix.lower() in COMPRESSED:
            _require_data(path, stream.peek(HEAD_BYTES)[:HEAD_BYTES])
    except BaseException:
        file.close()
        raise
    return stream


def _require_data(path: Path, head: bytes) -> None:
    """A file that promises compression and has none must look like the data that a server has decompressed."""
    start = head.lstrip(b" \t\r\n")
    if not start or start.startswith((b"{", b"[", b"PAR1")):
        return
    table = any(suffix.lower() in {".csv", ".tsv"} for suffix in path.suffixes)
    if table and not start.startswith(b"<") and not CONTROL.search(head) and _is_utf8(head):
        return
    raise SourceError(
        f"{path}: its name promises compression, but its bytes are neither gzip nor zstd, nor are they uncompressed "
        f"data; it begins with {head[:24]!r}. Fetch the file again, or name it as what it is"
    )


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return False
    return True


class _Limited(io.RawIOBase):
    """Counts decompressed bytes and turns errors of the decompressor into words."""

    def __init__(self, path: Path, file: IO[bytes], inner: Any, limit: int) -> None:
        super().__init__()
        self._path, self._file, self._inner, self._limit, self._count = path, file, inner, limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(
                f"{self._path}: damaged or cut off after {self._count:,} decompressed bytes ({error}); "
                "fetch the file again"
            ) from error
        self._count += len(data)
        if self._count > self._limit:
            raise SourceError(
                f"{self._path}: holds more than limits.file_bytes = {self._limit:,} bytes after decompression. "
                "Raise the limit in the source file if the data is genuine"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._file.close()
        super().close()
