"""The releases folder: ``<root>/<recipe>/<version>/`` and ``<root>/<recipe>/latest``.

Belongs here: publishing a folder whole, finding and verifying published ones. Not: what the files hold.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from datasel_assets.schema import check_slug
from datasel_assets.storage.atomic import StorageFullError, fsync_folder, is_full

MANIFEST = "manifest.json"
LATEST = "latest"


class ReleaseDamagedError(RuntimeError):
    """A published release is not what its manifest says; it was edited, or cut short by a copy."""


@dataclass(frozen=True)
class Release:
    """One published release.

    Attributes:
        path: its folder.
        version: first 12 hex digits of the hash of its content.
        rows: number of conversations.
        files: relative name -> SHA-256 of every file but the manifest.
        created_at: UTC time of its first publication, ISO 8601.
        created: False when the same content had been released before and nothing was written.
    """

    recipe: str
    version: str
    path: Path
    rows: int
    files: dict[str, str]
    created_at: str
    created: bool


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of the release folder ``path``.

    Raises:
        FileNotFoundError: ``path`` is not a release.
        ReleaseDamagedError: the manifest cannot be read.
    """
    file = Path(path) / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not a release: it has no {MANIFEST}") from None
    except ValueError as error:
        raise ReleaseDamagedError(f"{file} is not readable JSON ({error}): {_ADVICE}") from error
    if not isinstance(manifest, dict) or _KEYS - manifest.keys():
        raise ReleaseDamagedError(f"{file} lacks keys that every manifest has: {_ADVICE}")
    return manifest


def open_release(path: Path) -> Release:
    """Return the release in the folder ``path``; raises as :func:`read_manifest`."""
    manifest = read_manifest(path)
    files = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    return Release(
        manifest["recipe"],
        manifest["version"],
        Path(path),
        manifest["rows"],
        files,
        manifest["created_at"],
        created=False,
    )


def list_releases(root: Path, recipe: str | None = None) -> list[Release]:
    """Return all releases under ``root``, of all recipes or of one, ordered by recipe and age, oldest first."""
    homes = [Path(root) / check_slug(recipe)] if recipe else _folders(Path(root))
    found = [open_release(path) for home in homes for path in _folders(home) if (path / MANIFEST).is_file()]
    return sorted(found, key=lambda release: (release.recipe, release.created_at, release.version))


def latest_release(root: Path, recipe: str) -> Release | None:
    """Return the newest release of ``recipe``, or None when there is none."""
    home = Path(root) / check_slug(recipe)
    with contextlib.suppress(FileNotFoundError):
        return open_release(home / _named_by(home / LATEST))
    return None


def point_latest(home: Path, version: str) -> None:
    """Make ``latest`` a folder that whatever opens a release opens: a relative link to ``version``.

    Where the file system has no links, it is a copy, and for a moment of its exchange it is absent.
    """
    link = home / LATEST
    with contextlib.suppress(FileNotFoundError, ReleaseDamagedError):
        if link.is_dir() and _named_by(link) == version:
            return
    temporary = home / f".building-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        try:
            temporary.symlink_to(version, target_is_directory=True)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and is_full(error):
                raise
            shutil.copytree(home / version, temporary)
        if link.is_dir() and not link.is_symlink() and not (link / MANIFEST).is_file():
            raise ReleaseDamagedError(f"{link} stands in the way of the latest release: move it away and run again")
        if link.is_dir() and (not link.is_symlink() or not temporary.is_symlink()):
            _remove(link)
        temporary.replace(link)
        fsync_folder(home)
    finally:
        _remove(temporary)


def verified(path: Path) -> Release:
    """Return the release at ``path`` after comparing its data files with their hashes.

    Raises:
        ReleaseDamagedError: a data file is missing or differs.
    """
    if not (path / MANIFEST).is_file():
        raise ReleaseDamagedError(f"{path} exists but has no {MANIFEST}: {_ADVICE}")
    release, manifest = open_release(path), read_manifest(path)
    for name in manifest["data_files"]:
        if not (path / name).is_file():
            raise ReleaseDamagedError(f"{path / name} is missing: {_ADVICE}")
        if sha256(path / name) != release.files[name]:
            raise ReleaseDamagedError(f"{path / name} does not match its hash in {MANIFEST}: {_ADVICE}")
    return release


@contextlib.contextmanager
def building(home: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside the releases in ``home``; :func:`publish` moves it, else it is removed.

    Raises:
        StorageFullError: no space left; published releases are untouched.
    """
    folder = home / f".building-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        fsync_folder(home.parent)
        _sweep(home)
        folder.mkdir()
        yield folder
    except OSError as error:
        if is_full(error):
            message = (
                f"no space left while writing a release in {home}: earlier releases are intact; "
                "free disk space and run again"
            )
            raise StorageFullError(error.errno or 0, message) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, final: Path) -> bool:
    """Flush ``folder`` to disk and rename it to ``final``; False when another process published the same first."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            fsync_folder(path)
        else:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    fsync_folder(folder)
    try:
        folder.rename(final)
    except OSError:
        if final.is_dir():
            return False
        raise
    fsync_folder(final.parent)
    return True


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


_KEYS = {"recipe", "version", "created_at", "rows", "files", "data_files"}
_ADVICE = "move the folder away and materialise the recipe again to restore it"


def _folders(folder: Path) -> list[Path]:
    """Return the folders in ``folder``, without hidden ones and the second name of one of them."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(path for path in found if path.name != LATEST)


def _named_by(latest: Path) -> str:
    """Return the version that ``latest`` stands for: a link, a copy, or a text file of former times.

    Raises:
        FileNotFoundError: it is absent, or a copy of nothing.
        ReleaseDamagedError: it is a copy with a broken manifest.
    """
    if latest.is_symlink():
        return latest.readlink().name
    return read_manifest(latest)["version"] if latest.is_dir() else latest.read_text(encoding="utf-8").strip()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sweep(home: Path) -> None:
    """Remove what killed processes left behind."""
    for leftover in home.glob(".building-*"):
        owner = leftover.name.split("-")[1]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            _remove(leftover)
