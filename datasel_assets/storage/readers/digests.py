"""Content hashes of files, remembered by path, size and modification time.

Belongs here: hashing each version of a file once, although sensors look every minute. Not here: what the hash is for.
"""

import json
import os
import time
from hashlib import blake2b
from pathlib import Path

SETTLED_NS = 2_000_000_000
"""A file modified less than this ago may change again without its time stamp changing; its hash is not remembered."""


class Digests:
    """BLAKE2b-128 of files, with a memory in ``path`` (JSON) that holds what the last ``save`` had seen.

    The memory is a shortcut only: losing or deleting it costs time. Of two processes that save, one wins.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[str, list] = {}
        try:
            known = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            known = {}
        self._known = {key: entry for key, entry in known.items() if isinstance(entry, list) and len(entry) == 3}

    def of(self, file: Path, stat: os.stat_result) -> str:
        """Hash of the file's bytes, from memory when size and modification time are as remembered.

        Raises:
            OSError: the file cannot be read.
        """
        version = [stat.st_size, stat.st_mtime_ns]
        key = str(file.absolute())
        *remembered, digest = self._known.get(key, [None])
        if remembered != version:
            digest = _hash(file)
        if time.time_ns() - stat.st_mtime_ns > SETTLED_NS:
            self._seen[key] = [*version, digest]
        return digest

    def save(self) -> None:
        """Remember exactly what was asked since the start, by atomic replacement."""
        if self._seen == self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.write_text(json.dumps(self._seen))
        partial.replace(self._path)
        self._known = dict(self._seen)


def _hash(file: Path) -> str:
    state = blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()
