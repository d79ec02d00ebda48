"""Atomic publication of one file. Belongs here: temporary name, fsync, replace, clean-up. Not: what is inside it."""

import contextlib
import errno
import glob
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

ABANDONED_AFTER = 86_400
"""Seconds after which a temporary file of another host counts as left behind."""


class StorageFullError(OSError):
    """The disk that holds the warehouse is full; what was published before is untouched."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it there when the block succeeds.

    The temporary file lies in the same folder because ``os.replace`` is only atomic inside one file system. It is
    flushed to disk before the move, and the folder after it, so that a power cut leaves the old file or the new one.
    What killed processes of this host left behind under the same name is swept first.

    Raises:
        StorageFullError: no space (or quota) left; nothing was replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    temporary = temporary_beside(path)
    try:
        with storage_errors(path):
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Say in one clear error that the disk was full while ``path`` was written.

    Raises:
        StorageFullError: no space (or quota) left.
    """
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StorageFullError(
                error.errno or errno.ENOSPC,
                f"no space left while writing {path}: the previous version is intact; free disk space and run again",
            ) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Publish ``text`` as UTF-8 at ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Publish ``data`` at ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Publish ``value`` as indented JSON with sorted keys at ``path`` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def is_full(error: OSError) -> bool:
    """Tell whether ``error`` means that the disk or the quota is exhausted (pyarrow hides the errno at times)."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def fsync_folder(folder: Path) -> None:
    """Flush a folder entry, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush(folder: Path) -> None:
    """Bring the files of a folder, and its entry, to the disk."""
    for file in folder.iterdir():
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    fsync_folder(folder)


def temporary_beside(path: Path) -> Path:
    """Return a fresh temporary name beside ``path`` that says which process of which host owns it."""
    return path.parent / f".{path.name}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"


def sweep(path: Path) -> None:
    """Remove what dead processes of this host left, and what lies there for a day.

    Of other hosts a process number says nothing: a file of theirs may be in use.
    """
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        owner = leftover.name.removeprefix(f".{path.name}.").removesuffix(".tmp")
        host, _, process = owner.rsplit("-", 1)[0].rpartition("-")
        if host == socket.gethostname():
            abandoned = not (process.isdigit() and _alive(int(process)))
        else:
            abandoned = False
            with contextlib.suppress(FileNotFoundError):
                abandoned = time.time() - leftover.stat().st_mtime > ABANDONED_AFTER
        if abandoned:
            leftover.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
