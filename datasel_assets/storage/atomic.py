"""Atomic publication of one file. Belongs here: temporary name, fsync, replace, clean-up. Not: what is inside it."""

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


class StorageFullError(OSError):
    """The disk that holds the warehouse is full; what was published before is untouched."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it there when the block succeeds.

    The temporary file lies in the same folder because ``os.replace`` is only atomic inside one file system. It is
    flushed to disk before the move, and the folder after it, so that a power cut leaves the old file or the new one.
    What killed processes left behind under the same name is swept first.

    Raises:
        StorageFullError: no space (or quota) left; nothing was replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        if is_full(error):
            raise StorageFullError(
                error.errno or errno.ENOSPC,
                f"no space left while writing {path}: the previous version is intact; free disk space and run again",
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


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


def _sweep(path: Path) -> None:
    for leftover in path.parent.glob(f".{_escaped(path.name)}.*.tmp"):
        owner = leftover.name.removeprefix(f".{path.name}.").split("-", 1)[0]
        if not (owner.isdigit() and _alive(int(owner))):
            leftover.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    import glob

    return glob.escape(name)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
