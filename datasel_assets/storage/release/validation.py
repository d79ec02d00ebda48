"""Rows of a release that are held back for validation. Belongs here: which rows. Not: the files they go into."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import polars as pl


def divided(rows: pl.DataFrame, share: float | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows to train on and those held back, both in their order.

    Every source gives its share, to within a row. Which rows it gives is told by a hash of the conversation: equal
    conversations stay together, and a row is on the same side however the rest of the selection changes, but for rows
    at the margin. Rows that are merely alike may be on both sides.

    Args:
        rows: ``source``, ``messages``.
        share: of the rows of each source, above 0; None for none.

    Raises:
        ValueError: so few rows that none would be held back, or none left.
    """
    if share is None:
        return rows, rows.clear()
    keys = np.array([_key(messages) for messages in rows["messages"].to_list()])
    sources = rows["source"].to_numpy().astype(str)
    held = np.zeros(rows.height, bool)
    for source, quota in zip(*_quotas(sources, share), strict=True):
        own = np.flatnonzero(sources == source)
        _, places, sizes = np.unique(keys[own], return_inverse=True, return_counts=True)
        held[own] = _fitting(sizes, int(quota))[places]
    if not held.any() or held.all():
        raise ValueError(
            f"release.validation: {share:g} of {rows.height:,} rows cannot be held back: take more rows, another "
            "share, or leave it out"
        )
    return rows.filter(pl.Series(~held)), rows.filter(pl.Series(held))


def _fitting(sizes: np.ndarray, quota: int) -> np.ndarray:
    """Return which groups of equal conversations are held back: whole ones, in their order, as far as they fit."""
    taken = np.zeros(len(sizes), bool)
    for group, size in enumerate(sizes):
        if size <= quota:
            taken[group], quota = True, quota - size
    return taken


def _quotas(sources: np.ndarray, share: float) -> tuple[Sequence[str], np.ndarray]:
    """Return the sources and how many rows each gives: shares rounded so that they add up, by largest remainder."""
    names, counts = np.unique(sources, return_counts=True)
    ideal = counts * share
    quotas = np.floor(ideal).astype(int)
    left = round(ideal.sum()) - quotas.sum()
    # The smallest index wins a tie: names are sorted.
    most = np.argsort(-(ideal - quotas), kind="stable")[: max(left, 0)]
    quotas[most] += 1
    return names.tolist(), quotas


def _key(messages: list[dict]) -> str:
    return hashlib.blake2b(json.dumps(messages, sort_keys=True).encode(), digest_size=16).hexdigest()
