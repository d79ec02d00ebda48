"""Random subsets that depend on row ids alone. Belongs here: the seeded hash of an id and the sample it defines.

Not here: random *projections* (they hash row and column numbers) and sampling with weights.
"""

from collections.abc import Sequence

import numpy as np

_BLOCK = 65_536
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def hash_keys(row_ids: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    """Return one uniform 64-bit key per id: a pure function of (id, seed).

    The code points of an id are the coefficients of a polynomial modulo 2^64, mixed with the seed by SplitMix64
    (Steele, Lea and Flood 2014). Nothing depends on the position, on the neighbours, on the process (unlike ``hash``)
    or on a library version (unlike the hash of a dataframe library).

    Args:
        row_ids: n ids (list, array or series of str).
        seed: any integer; another seed gives an independent key.

    Returns:
        uint64 (n,).
    """
    keys = np.empty(len(row_ids), np.uint64)
    mixed_seed = _splitmix(np.array([seed & 0xFFFF_FFFF_FFFF_FFFF], np.uint64))
    for start in range(0, len(row_ids), _BLOCK):
        block = np.ascontiguousarray(np.asarray(row_ids[start : start + _BLOCK]).astype(np.str_))
        width = block.dtype.itemsize // 4
        if width == 0:
            keys[start : start + _BLOCK] = _splitmix(np.zeros(len(block), np.uint64) ^ mixed_seed)
            continue
        points = block.view(np.uint32).reshape(len(block), width)
        # Padding code points are zero, so a longer neighbour does not change the key of a short id.
        powers = np.cumprod(np.full(width, _MULTIPLIER, np.uint64))
        folded = (points * powers).sum(axis=1, dtype=np.uint64)
        keys[start : start + _BLOCK] = _splitmix(_splitmix(folded) ^ mixed_seed)
    return keys


def hash_sample(row_ids: Sequence[str] | np.ndarray, max_rows: int, seed: int) -> np.ndarray:
    """Return the positions of the ``max_rows`` ids with the smallest keys, smallest key first.

    This is "hash(id, seed) < threshold" with the threshold that gives exactly ``max_rows`` rows, so the sample does
    not depend on the order of the rows nor on how files are cut, and the sample of a union is found inside the union
    of the samples. The order of the result is itself a seeded random order of the ids: taking the rows in this
    order makes what follows independent of the layout too. (Two ids share a key with probability 2^-64; only then
    is the position looked at.)

    Args:
        row_ids: n distinct ids.
        max_rows: upper bound of the sample; n or more keeps every row.
        seed: chooses the sample.

    Returns:
        int64 (min(n, max_rows),) positions.

    Raises:
        ValueError: ``max_rows`` is negative.
    """
    if max_rows < 0:
        raise ValueError(f"max_rows is {max_rows}: give zero or a positive number of rows")
    keys = hash_keys(row_ids, seed)
    chosen = np.arange(len(keys))
    if max_rows < len(keys):
        chosen = np.sort(np.argpartition(keys, max_rows)[:max_rows])
    return chosen[np.argsort(keys[chosen], kind="stable")].astype(np.int64)


def _splitmix(value: np.ndarray) -> np.ndarray:
    mixed = value + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
