"""Search among sorted row ids: one binary search per id instead of a hash table per question.

Belongs here: positions and membership. Does not belong here: which ids are asked about. Ids are ordered by their UTF-8
bytes, as Polars sorts them; they may be any text.
"""

import numpy as np
import polars as pl


def positions(wanted: pl.Series, ids: pl.Series) -> np.ndarray:
    """Return where each of the ``wanted`` stands among sorted, distinct ``ids``: int64 (n,), -1 where it does not.

    A missing id (null) stands nowhere.

    >>> positions(pl.Series(["b", "x"]), pl.Series(["a", "b", "c"]))
    array([ 1, -1])
    """
    if ids.is_empty():
        return np.full(len(wanted), -1, np.int64)
    places = _places(wanted, ids)
    return places.set(ids.gather(places).ne_missing(wanted), -1).to_numpy()


def among(wanted: pl.Series, ids: pl.Series) -> pl.Series:
    """Return which of the ``wanted`` are among sorted ``ids``; they may be in any order.

    >>> among(pl.Series(["b", "x"]), pl.Series(["a", "b", "c"])).to_list()
    [True, False]
    """
    if ids.is_empty():
        return pl.Series([False] * len(wanted), dtype=pl.Boolean)
    if not wanted.is_sorted():
        # A search would jump to and fro in memory: a hash table costs less.
        return wanted.is_in(ids.implode())
    return ids.gather(_places(wanted, ids)) == wanted


def _places(wanted: pl.Series, ids: pl.Series) -> pl.Series:
    """Return the place of each id, or of the one that stands where it would."""
    return ids.search_sorted(wanted, "left").cast(pl.Int64).clip(0, len(ids) - 1)
