"""Open a file for reading: decompression by magic bytes, and the limit on what it may decompress to.

Belongs here: bytes. Not here: rows.
"""

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from datasel_assets.raw_rows import SourceError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
UTF8_BOM = b"\xef\xbb\xbf"
BUFFER_BYTES = 1 << 20


def open_stream(path: Path, file_bytes: int) -> "io.BufferedReader[Any]":
    """Open ``path``, decompressing gzip and zstd, positioned behind a byte order mark.

    Compression is told by content, not by name: some servers decompress what they send.

    Args:
        path: Local file.
        file_bytes: Most bytes that may come out of it, after decompression.

    Raises:
        SourceError: unsupported compression or encoding; while reading, damaged data or more than ``file_bytes``.
    """
    file = path.open("rb")
    try:
        magic = file.read(6)
        for start, kind in UNSUPPORTED.items():
            if magic.startswith(start):
                raise SourceError(f"{path}: {kind} is not supported; convert it to UTF-8, plain or with gzip or zstd")
        file.seek(0)
        inner: Any = file
        if magic.startswith(GZIP):
            inner = gzip.GzipFile(fileobj=file)
        elif magic.startswith(ZSTD):
            inner = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
        stream = io.BufferedReader(_Limited(path, file, inner, file_bytes), BUFFER_BYTES)
    except BaseException:
        file.close()
        raise
    if stream.peek(len(UTF8_BOM))[: len(UTF8_BOM)] == UTF8_BOM:
        stream.read(len(UTF8_BOM))
    return stream


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
