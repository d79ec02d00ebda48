"""Hashes that say whether a stored table still answers the question asked of it. No files."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import polars as pl

HASHED_ROWS = 1 << 18
"""Ids joined to one text at a time."""

_NO_DIGIT = 255
_DIGIT = np.full(256, _NO_DIGIT, np.uint8)
_DIGIT[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


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

    Ids are BLAKE2b hashes already, so that sets differ in their sums as they would in a hash; another name counts by
    its hash. The digest of a union of disjoint sets is :func:`merged_sums` of theirs.
    """
    total = 0
    for block in row_ids.alias("id").to_frame().iter_slices(HASHED_ROWS):
        ids = block["id"]
        digits = _digits(ids)
        if digits is None:
            hashed = ids.str.contains("^[0-9a-f]{32}$")
            names = [hashlib.blake2b(row.encode(), digest_size=16).hexdigest() for row in ids.filter(~hashed)]
            total += sum(int(name, 16) for name in [*ids.filter(hashed), *names])
        else:
            # Sums by place: fifteen times a number of rows cannot overflow 64 bits.
            by_place = digits.sum(axis=0, dtype=np.uint64)
            total += sum(int(count) << (4 * (31 - place)) for place, count in enumerate(by_place))
    return f"{total % 2**128:032x}"


def _digits(row_ids: pl.Series) -> np.ndarray | None:
    """Return the hex digits of ids, uint8 (n, 32); None where one of them is not 32 lower-case hex digits."""
    if not (row_ids.str.len_bytes() == 32).all():
        return None
    _, offsets, data = row_ids.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    first = np.frombuffer(offsets, np.int64)[0]
    text = np.frombuffer(data, np.uint8)[first : first + 32 * len(row_ids)] if data else np.empty(0, np.uint8)
    digits = _DIGIT[text].reshape(-1, 32)
    return None if (digits == _NO_DIGIT).any() else digits


def merged_sums(sums: Iterable[str]) -> str:
    """Return the digest of the union of disjoint sets with these digests (:func:`ids_sum`)."""
    return f"{sum(int(one, 16) for one in sums) % 2**128:032x}"
