"""Hashes that say whether a stored table still answers the question asked of it. No files, no frames."""

import hashlib
import json
from collections.abc import Iterable


def digest(value: object) -> str:
    """Return 16 hex digits of BLAKE2b over the canonical JSON of ``value`` (sorted keys, no spaces).

    >>> digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def ids_digest(row_ids: Iterable[str]) -> str:
    """Return 32 hex digits over the *set* of row ids: independent of their order and of shard layout."""
    state = hashlib.blake2b(digest_size=16)
    for row_id in sorted(row_ids):
        state.update(row_id.encode())
        state.update(b"\n")
    return state.hexdigest()
