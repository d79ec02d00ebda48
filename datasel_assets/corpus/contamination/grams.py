"""Tables of hashed n-grams.

Belongs here: hashing the runs of words of texts and arranging them for look-up. Not here: which n-grams are wanted
(``guards.py``), looking them up (``kernels.py``).
"""

from dataclasses import dataclass

import numpy as np

from datasel_assets.corpus.contamination.words import Words


def grams_of(words: Words, units: np.ndarray, counts: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hash, text and place (m,) of the first ``counts`` (k,) n-grams of the texts ``units`` (k,)."""
    from datasel_assets.corpus.contamination.kernels import gram_hashes

    hashes = np.empty(int(counts.sum()), np.uint64)
    gram_hashes(words.hashes, words.texts[units], counts, n, hashes)
    places = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return hashes, np.repeat(units, counts), places


@dataclass(frozen=True, eq=False)
class GramTable:
    """Distinct n-grams, g of them, and the p places they come from.

    Attributes:
        n: words of an n-gram.
        keys: uint64 (g,) hashes.
        slots: int32 open hash table of their places in ``keys``; a power of two, at most half full.
        bits: uint64 filter before it, about 8 bits for each n-gram.
        first: int64 (g + 1,) range of each n-gram in ``unit`` and ``place``.
        unit: int32 (p,) text.
        place: int32 (p,) first word in the text.
    """

    n: int
    keys: np.ndarray
    slots: np.ndarray
    bits: np.ndarray
    first: np.ndarray
    unit: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, n: int, hashes: np.ndarray, units: np.ndarray, places: np.ndarray) -> "GramTable":
        """Arrange n-grams (p,), at least one, given by their hash, text and place."""
        from datasel_assets.corpus.contamination.kernels import fill_table

        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        keys = ordered[begins]
        slots = np.full(1 << max(4, int(2 * len(keys)).bit_length()), -1, np.int32)
        bits = np.zeros(max(1, (1 << int(8 * len(keys)).bit_length()) // 64), np.uint64)
        fill_table(keys, slots, bits)
        unit, place = units[order].astype(np.int32), places[order].astype(np.int32)
        return cls(n, keys, slots, bits, np.append(begins, len(ordered)), unit, place)

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        arrays = (self.keys, self.slots, self.bits, self.first, self.unit, self.place)
        return sum(array.nbytes for array in arrays)
