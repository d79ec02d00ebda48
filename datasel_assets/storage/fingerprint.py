"""Hashes that say whether a stored table still answers the question asked of it. No files."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import polars as pl

HASHED_ROWS = 1 << 18
"""Ids joined to one text at a time."""


def digest(value: object) -> str:
    """Return 16 hex digits of BLAKE2b over the canonical JSON of ``value`` (sorted keys, no spaces).

    >>> digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def digest_of_json(pieces: Iterable[str]) -> str:
    """Return :func:`digest` of a value whose canonical JSON comes in pieces, for one too large to hold.

    >>> digest_of_json(["[1,", "[2]]"]) == digest([1, [2]])
    True
    """
    state = hashlib.blake2b(digest_size=8)
    for piece in pieces:
        state.update(piece.encode())
    return state.hexdigest()


def ids_digest(row_ids: Iterable[str] | pl.Series) -> str:
    """Return 32 hex digits over the *set* of row ids: independent of their order and of shard layout."""
    ids = row_ids if isinstance(row_ids, pl.Series) else pl.Series(list(row_ids), dtype=pl.String)
    state = hashlib.blake2b(digest_size=16)
    for block in ids.sort().to_frame("id").iter_slices(HASHED_ROWS):
        state.update((block["id"].str.join("\n").item() + "\n").encode())
    return state.hexdigest()


def ids_sum(row_ids: pl.Series) -> str:
    """Return 32 hex digits over the set of row ids that can be merged: their sum modulo 2^128.

    Ids are BLAKE2b hashes already, so that sets differ in their sums as they would in a hash; other names are hashed
    first. The digest of a union of disjoint sets is :func:`merged_sums` of theirs.
    """
    hashed = row_ids.str.contains("^[0-9a-f]{32}$")
    if not hashed.all():
        row_ids = pl.Series([hashlib.blake2b(row.encode(), digest_size=16).hexdigest() for row in row_ids])
    raw = np.frombuffer(b"".join(row_ids.str.decode("hex")), dtype=">u4").reshape(-1, 4)
    # Sums of 32-bit limbs cannot overflow 64 bits below four billion rows.
    limbs = [int(limb) for limb in raw.sum(axis=0, dtype=np.uint64)]
    total = sum(limb << (32 * (3 - place)) for place, limb in enumerate(limbs))
    return f"{total % 2**128:032x}"


def merged_sums(sums: Iterable[str]) -> str:
    """Return the digest of the union of disjoint sets with these digests (:func:`ids_sum`)."""
    return f"{sum(int(one, 16) for one in sums) % 2**128:032x}"
