"""From the address in a source file to local files with a fingerprint.

Belongs here: paths, globs, which reader or generator an address means, content hashes. Not here: downloading
(``fetch``), rows.
"""

import glob
import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from datasel_assets.raw_rows import SourceError
from datasel_assets.schema import check_slug
from datasel_assets.specs.source import Located
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Lake
from datasel_assets.storage.readers.digests import Digests
from datasel_assets.storage.readers.fetch import fetch, listing
from datasel_assets.storage.readers.generators import GENERATORS, Generator
from datasel_assets.storage.readers.patterns import local_files

REMOTE = {"https", "http", "hf", "s3"}
EXTRACTION = "extraction"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")


@dataclass(frozen=True)
class FileEntry:
    """One local file of a source.

    Attributes:
        uri: Where it came from, without credentials.
        path: Where it lies now.
        bytes: Its size.
        modified_ns: Its modification time.
        digest: BLAKE2b-128 of its bytes.
        note: What the user should know about it, such as that an older copy stands in for an unreachable one.
    """

    uri: str
    path: Path
    bytes: int
    modified_ns: int
    digest: str
    note: str | None = None

    def unchanged(self) -> bool:
        """Whether size and modification time are still as they were when the file was hashed."""
        stat = self.path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.bytes, self.modified_ns)


@dataclass(frozen=True)
class Generated:
    """A generated part of a source: its scheme, the generator behind it, and the parameters in its address."""

    scheme: str
    generator: Generator
    query: dict[str, str]


@dataclass(frozen=True)
class Inline:
    """Records that stand in the registry file itself."""

    records: tuple[dict[str, Any], ...]


Part = FileEntry | Generated | Inline


@dataclass(frozen=True)
class Snapshot:
    """What a source consists of right now. ``parts`` are in reading order; equal fingerprints mean equal content."""

    parts: tuple[Part, ...]
    fingerprint: str

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The parts that are files."""
        return tuple(part for part in self.parts if isinstance(part, FileEntry))

    @property
    def bytes(self) -> int:
        """Size of all files, compressed as they are."""
        return sum(file.bytes for file in self.files)


def snapshot(spec: Located, name: str, data_root: Path, cache_dir: Path) -> Snapshot:
    """Find, and where needed fetch, the files of a source, and hash their content.

    Args:
        spec: Source or target; its ``uri`` may be a path, a glob, ``https://``, ``hf://``, ``s3://`` or a generator,
            or a list of these.
        name: Slug of the source.
        data_root: Folder that relative paths start from.
        cache_dir: Folder for downloads and remembered hashes; each source has a sub-folder.

    Raises:
        SourceError: nothing there, not a file, not reachable, too large, or an unknown scheme.
    """
    cache = cache_dir / check_slug(name)
    digests = Digests(cache / "digests.json")
    parts: list[Part] = [Inline(records)] if (records := spec.inline()) else []
    for uri in spec.uris:
        scheme = _scheme(uri, data_root)
        if scheme in GENERATORS:
            parts.append(_generated(uri, scheme))
        elif scheme == EXTRACTION:
            parts += [_entry(uri, path, digests) for path in extracted(uri, cache_dir)]
        elif scheme in REMOTE:
            fetched = fetch(uri, cache, spec.limits.file_bytes)
            parts += [_entry(file.uri, file.path, digests, file.note) for file in fetched]
        else:
            parts += [_entry(str(path), path, digests) for path in _local(uri, data_root)]
    digests.save()
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(json.dumps(_identity(part), sort_keys=True).encode())
    return Snapshot(tuple(parts), state.hexdigest())


def asks_others(spec: Located, data_root: Path) -> bool:
    """Tell whether finding the files of a source asks another host."""
    return any(_scheme(uri, data_root) in REMOTE for uri in spec.uris)


def locate(spec: Located, name: str, data_root: Path, cache_dir: Path) -> list[str]:
    """Return the addresses of what :func:`snapshot` would hold; no file is hashed, downloaded or written.

    Raises:
        SourceError: as :func:`snapshot`, but for what only shows when a file is opened.
    """
    found: list[str] = []
    for uri in spec.uris:
        scheme = _scheme(uri, data_root)
        if scheme in GENERATORS:
            _identity(_generated(uri, scheme))  # raises where the generator lacks something
            found.append(uri)
        elif scheme == EXTRACTION:
            found += map(str, extracted(uri, cache_dir))
        elif scheme in REMOTE:
            found += listing(uri, cache_dir / check_slug(name))
        else:
            found += map(str, _local(uri, data_root))
    return found


def extracted(uri: str, cache_dir: Path) -> list[Path]:
    """Return the files of rows that were drawn out of documents: the table ``extractions/<name>`` beside the cache.

    Raises:
        SourceError: they were never drawn.
    """
    name = check_slug(uri.removeprefix(f"{EXTRACTION}:"))
    info = Lake(cache_dir.parent).info(("extractions", name))
    if info is None:
        raise SourceError(f"{uri}: no rows were drawn yet: materialise extractions/{name} first, which reads documents")
    return info.files


def _scheme(uri: str, data_root: Path) -> str:
    """Return what an address starts with, ``file`` for a path."""
    match = None if _is_here(uri, data_root) else _SCHEME.match(uri)
    scheme = match[1] if match else "file"
    known = REMOTE | GENERATORS.keys() | {EXTRACTION}
    if scheme != "file" and scheme not in known:
        schemes = ", ".join(sorted(known))
        raise SourceError(f"{uri}: unknown scheme {scheme!r}; use a path, a glob, or one of {schemes}")
    return scheme


def _generated(uri: str, scheme: str) -> Generated:
    return Generated(scheme, GENERATORS[scheme], dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True)))


def _identity(part: Part) -> list[Any]:
    """What decides about the rows of a part; of a file's name only the ending, which chooses the reader."""
    if isinstance(part, FileEntry):
        return ["file", "".join(part.path.suffixes).lower(), part.digest]
    if isinstance(part, Generated):
        return ["generated", part.scheme, digest([part.scheme, *part.generator.identity(part.query)])]
    return ["inline", part.records]


def _local(uri: str, data_root: Path) -> list[Path]:
    """Files of a path, a glob or a ``file:`` address, sorted."""
    pattern = unquote(urlsplit(uri).path) if _SCHEME.match(uri) and not _is_here(uri, data_root) else uri
    path = data_root / pattern
    if path.is_dir():
        raise SourceError(f"{path}: this is a folder; name the files, for example {pattern.rstrip('/')}/*.jsonl")
    if path.exists():
        return [path]
    if not glob.has_magic(pattern):
        raise SourceError(f"{path}: no such file (relative paths start from {data_root})")
    if not (files := local_files(pattern, data_root)):
        raise SourceError(f"{path}: the pattern matches no file (relative paths start from {data_root})")
    return files


def _is_here(uri: str, data_root: Path) -> bool:
    """Whether what looks like a scheme is the name of a file or folder with a colon in it."""
    return (data_root / uri.partition("/")[0]).exists()


def _entry(uri: str, path: Path, digests: Digests, note: str | None = None) -> FileEntry:
    try:
        stat = path.stat()
        content = digests.of(path, stat)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    return FileEntry(uri, path, stat.st_size, stat.st_mtime_ns, content, note)
