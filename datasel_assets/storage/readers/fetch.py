"""Bring remote files to the local cache: ``https://``, ``hf://``, ``s3://`` and whatever else fsspec knows.

Belongs here: listing, downloading once, and what to say when a place cannot be reached. Not here: local files
(``resolve``), rows.

A cached file lies under what the server says about its version (ETag, modification time, size). The same version is
never fetched twice; another one replaces it. A server that says nothing is asked only once: remove the cached file to
fetch again. ``files.json`` lists the files of the last complete fetch; it is what stands in when the place cannot be
reached.
"""

import contextlib
import json
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.readers.patterns import literal_where_there

TIMEOUT_S = 30
CHUNK_BYTES = 1 << 20
LISTING = "files.json"
VERSION_KEYS = ("etag", "ETag", "blob_id", "lfs", "mtime", "LastModified", "last_modified", "created", "size")


@dataclass(frozen=True)
class Fetched:
    """A cached remote file; ``note`` says so when the place could not be reached and an older copy is used."""

    uri: str
    path: Path
    note: str | None = None


class TransferError(SourceError):
    """A place that does not answer, or whose answer broke off: it may do better another time."""


class UnreachableError(TransferError):
    """A place that does not answer; ``why`` in one short line."""

    def __init__(self, uri: str, why: str) -> None:
        self.why = why
        super().__init__(
            f"{redacted(uri)}: cannot be reached ({why}). Check the address, the network and the credentials, or put "
            "a local copy in the source file's uri"
        )


def fetch(uri: str, cache_dir: Path, file_bytes: int) -> list[Fetched]:
    """Download what ``uri`` names (one file, or a glob where the place can list) unless it is in the cache.

    Args:
        uri: Address with a scheme.
        cache_dir: Folder of this source's cache; made when needed.
        file_bytes: Largest download.

    Returns:
        Cached files sorted by address.

    Raises:
        SourceError: not reachable and not cached, not found, too large, or no room for it.
    """
    slot = cache_dir / _digest(uri)
    place = _place(uri)
    try:
        versions = _versions(place, uri)
    except UnreachableError as error:
        if not (stored := _stored(slot)):
            raise
        note = f"could not be reached ({error.why}); the copy in the cache is used"
        return [Fetched(address, slot / path, note) for address, path in stored]
    files = []
    for address in sorted(versions):
        path = Path(_digest(f"{address} {versions[address]}"), Path(urlsplit(address).path).name or "file")
        if not (slot / path).is_file():
            (slot / path).parent.mkdir(parents=True, exist_ok=True)
            _download(place, address, slot / path, file_bytes)
        files.append((redacted(address), path))
    _publish(slot, files)
    return [Fetched(address, slot / path) for address, path in files]


def listing(uri: str, cache_dir: Path) -> list[str]:
    """Return the addresses, sorted, of the files that :func:`fetch` would give; nothing is downloaded or written.

    Raises:
        SourceError: not reachable and not cached, or not found.
    """
    try:
        return sorted(redacted(address) for address in _versions(_place(uri), uri))
    except UnreachableError:
        if not (stored := _stored(cache_dir / _digest(uri))):
            raise
        return [address for address, _ in stored]


def redacted(uri: str) -> str:
    """The address without user name, password and query, for messages and metadata."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _place(uri: str) -> "_Http | _Filesystem":
    return _Http() if urlsplit(uri).scheme in {"http", "https"} else _Filesystem()


def _versions(place: "_Http | _Filesystem", uri: str) -> dict[str, str]:
    """Return what ``uri`` names, address -> version.

    Raises:
        UnreachableError: the place does not answer.
        SourceError: it does, and nothing is there.
    """
    try:
        versions = place.versions(uri)
    except Exception as error:  # every backend has errors of its own
        raise UnreachableError(uri, _words(error)) from error
    if not versions:
        raise SourceError(f"{redacted(uri)}: nothing is there, or the pattern matches no file")
    return versions


def _stored(slot: Path) -> list[tuple[str, str]]:
    """Return the files of the last complete fetch: (address, path in the slot)."""
    path = slot / LISTING
    return [(address, file) for address, file in json.loads(path.read_bytes())] if path.is_file() else []


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _publish(slot: Path, files: list[tuple[str, Path]]) -> None:
    """Write the listing, then remove versions that are not in it."""
    listing = json.dumps([(address, str(path)) for address, path in files])
    if (slot / LISTING).is_file() and (slot / LISTING).read_text() == listing:
        return
    partial = slot / f".{LISTING}.{os.getpid()}"
    partial.write_text(listing)
    partial.replace(slot / LISTING)
    current = {path.parts[0] for _, path in files}
    for folder in slot.iterdir():
        if folder.is_dir() and folder.name not in current:
            shutil.rmtree(folder, ignore_errors=True)


def _download(place: Any, uri: str, path: Path, file_bytes: int) -> None:
    """Stream to a temporary file beside ``path`` and move it into place when it is complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with contextlib.closing(place.open(uri)) as remote, partial.open("wb") as local:
            size = 0
            while chunk := remote.read(CHUNK_BYTES):
                size += len(chunk)
                if size > file_bytes:
                    raise SourceError(
                        f"{redacted(uri)}: larger than limits.file_bytes = {file_bytes:,}; raise it in the source file"
                    )
                local.write(chunk)
            if missing := getattr(remote, "length", None):  # of an HTTP answer: what the header promised more
                raise OSError(f"the connection ended {missing:,} bytes early")
            local.flush()
            os.fsync(local.fileno())
        partial.replace(path)
    except SourceError:
        raise
    except Exception as error:
        raise TransferError(f"{redacted(uri)}: the download to {path.parent} failed ({_words(error)})") from error
    finally:
        partial.unlink(missing_ok=True)


def _words(error: Exception) -> str:
    """An error in one short line without addresses that may carry credentials."""
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split()) or "no details"
    return f"{type(error).__name__}: {text if '@' not in text else 'see the log'}"[:300]


class _Http:
    """One file by HTTP, with the standard library: fsspec would need a package more."""

    def versions(self, uri: str) -> dict[str, str]:
        try:
            with self.open(uri, method="HEAD") as answer:
                headers = answer.headers
        except urllib.error.HTTPError as error:
            if error.code in {404, 410}:
                return {}
            if error.code in {403, 405, 501}:  # some servers and signed addresses only allow GET
                return {uri: ""}
            raise
        return {uri: json.dumps([headers.get("ETag"), headers.get("Last-Modified"), headers.get("Content-Length")])}

    def open(self, uri: str, method: str = "GET") -> Any:
        parts = urlsplit(uri)
        headers = {"User-Agent": "datasel_assets", "Accept-Encoding": "identity"}
        if parts.username:
            import base64

            pair = f"{parts.username}:{parts.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return urllib.request.urlopen(urllib.request.Request(bare, headers=headers, method=method), timeout=TIMEOUT_S)


class _Filesystem:
    """Files of an fsspec file system; s3 by way of Arrow, which needs no further package."""

    def __init__(self) -> None:
        self._fs: Any = None
        self._paths: dict[str, str] = {}

    def versions(self, uri: str) -> dict[str, str]:
        import fsspec

        parts = urlsplit(uri)
        if parts.scheme == "s3":
            import pyarrow.fs
            from fsspec.implementations.arrow import ArrowFSWrapper

            arrow, pattern = pyarrow.fs.FileSystem.from_uri(uri)
            self._fs = ArrowFSWrapper(arrow)
        else:
            self._fs, pattern = fsspec.core.url_to_fs(uri)
            self._fs.invalidate_cache()
        query = f"?{parts.query}" if parts.query else ""
        versions = {}
        for path in self._matches(pattern):
            try:
                info = self._fs.info(path)
            except FileNotFoundError:
                continue
            if info["type"] == "file":
                address = f"{parts.scheme}://{path.lstrip('/')}{query}"
                self._paths[address] = path
                versions[address] = json.dumps({k: str(info[k]) for k in VERSION_KEYS if info.get(k) is not None})
        return versions

    def _matches(self, pattern: str) -> list[str]:
        """Paths that a path or pattern names; brackets are literal where something of that name is there."""
        if "[" in pattern and not self._fs.exists(pattern):
            pattern = literal_where_there(pattern, lambda candidate: bool(self._fs.glob(candidate)))
            return self._fs.glob(pattern)
        return self._fs.glob(pattern) if "*" in pattern else [pattern]

    def open(self, uri: str) -> Any:
        return self._fs.open(self._paths[uri], "rb")
