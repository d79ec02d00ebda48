"""Row ids in eight bytes each: how many rows two tables share, and whether an id repeats.

Belongs here: counts over the ids of a large table, for which its texts of 32 characters need not be held. Does not
belong here: digests of ids (``fingerprint``), and which rows are new (``rows``).
"""

import numpy as np
import polars as pl

from datasel_assets.storage.lake import Key, Lake

DIGITS = 16
"""Hexadecimal digits of an id that make its key."""


def id_keys(lake: Lake, key: Key) -> np.ndarray:
    """Return the first 64 bits of each row id of a table, uint64 (n,), sorted; 8 bytes per row.

    Row ids are hashes of 128 bits written as 32 hexadecimal digits. Without the table there are none.
    """
    info = lake.info(key)
    if info is None:
        return np.empty(0, np.uint64)
    keys = np.empty(info.rows, np.uint64)
    start = 0
    for batch in lake.read_batches(key, ["row_id"]):
        ids = pl.Series(pl.from_arrow(batch.column(0)), dtype=pl.String)
        raw = b"".join(ids.str.slice(0, DIGITS).str.decode("hex"))
        keys[start : start + len(ids)] = np.frombuffer(raw, ">u8")
        start += len(ids)
    keys.sort()
    return keys


def shared(left: np.ndarray, right: np.ndarray) -> int:
    """Return how many of the sorted keys ``left`` are among the sorted keys ``right``.

    Of n and m distinct ids, about n m / 2^64 pairs begin alike by chance: none in practice.
    """
    if not len(right):
        return 0
    places = np.minimum(np.searchsorted(right, left), len(right) - 1)
    return int((right[places] == left).sum())


def repeated_ids(lake: Lake, key: Key, keys: np.ndarray) -> int:
    """Return how many rows of a table have the id of another one that is counted already.

    Args:
        lake: where the table lies.
        key: its key.
        keys: those of its ids (:func:`id_keys`). Ids with different keys differ; where keys are equal, the whole ids
            are looked at.
    """
    alike = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if not len(alike):
        return 0
    starts = pl.Series([f"{value:0{DIGITS}x}" for value in alike.tolist()])
    begins = pl.col("row_id").str.slice(0, DIGITS)
    ids = lake.scan(key).filter(begins.is_in(starts.implode())).select("row_id").collect()["row_id"]
    return len(ids) - ids.n_unique()
