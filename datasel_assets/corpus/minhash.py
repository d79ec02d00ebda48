"""MinHash signatures of texts: what two texts have in common, in a few hundred bytes each.

Belongs here: shingles, signatures and their form as a table. Does not: which rows are near duplicates
(``near_duplicates``), the compiled loops (``minhash_kernels``).

A signature is a pure function of the text and the spec. It is integer arithmetic of our own and not that of a library,
so that stored signatures stay valid when packages or machines change, and a new source is compared with the pool from
the signatures alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.specs.minhash import MinHashSpec

_BLOCK_ROWS = 8192
_MASK = 0xFFFFFFFFFFFFFFFF
_UNITS = ("word", "token", "character")


@dataclass(frozen=True, eq=False)
class Signatures:
    """Signatures of n texts, aligned with them.

    Attributes:
        values: uint32 (n, slots); the share of equal slots of two rows estimates their Jaccard similarity (Broder
            1997). A text without a shingle has the largest value everywhere.
        sizes: int32 (n,), number of distinct shingles.
        digests: uint64 (n,), one hash of the whole shingle set: equal digests stand for similarity 1. Two different
            sets collide with probability 2^-64.
    """

    values: np.ndarray
    sizes: np.ndarray
    digests: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not len(self.values) == len(self.sizes) == len(self.digests):
            raise ValueError(
                f"signature arrays disagree: values {self.values.shape}, sizes {self.sizes.shape}, "
                f"digests {self.digests.shape}; compute the signatures again"
            )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @classmethod
    def concat(cls, parts: Iterable["Signatures"]) -> "Signatures":
        """Put the signatures of several sources under each other.

        Raises:
            ValueError: there is no part, or their signatures have different lengths.
        """
        parts = list(parts)
        widths = {part.values.shape[1] for part in parts}
        if len(widths) != 1:
            raise ValueError(f"signatures of one length are needed, got lengths {sorted(widths)}: use one spec for all")
        return cls(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.digests for part in parts]),
        )

    def take(self, rows: np.ndarray) -> "Signatures":
        """Return the signatures at ``rows``: positions (m,) int64, or a mask (n,) bool."""
        return Signatures(self.values[rows], self.sizes[rows], self.digests[rows])

    def to_frame(self, row_ids: pl.Series) -> pl.DataFrame:
        """Return the table to store: row_id, signature (fixed-size array of uint32), n_shingles, shingle_digest."""
        width = self.values.shape[1]
        return pl.DataFrame(
            {
                "row_id": row_ids,
                "signature": pl.Series(self.values, dtype=pl.Array(pl.UInt32, width)),
                "n_shingles": pl.Series(self.sizes, dtype=pl.Int32),
                "shingle_digest": pl.Series(self.digests, dtype=pl.UInt64),
            }
        )

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> "Signatures":
        """Read back what ``to_frame`` made."""
        kind = frame.schema["signature"]
        if not isinstance(kind, pl.Array) or kind.inner != pl.UInt32:
            raise ValueError(f"the column signature is {kind}, not a fixed-size array of uint32: write it anew")
        values = frame["signature"].to_numpy().reshape(frame.height, kind.size)
        return cls(values, frame["n_shingles"].to_numpy(), frame["shingle_digest"].to_numpy())


@dataclass(frozen=True, eq=False)
class Shingles:
    """Shingle sets of n texts.

    Attributes:
        hashes: uint64, the sets one after the other, each sorted and without repetition.
        ends: int64 (n + 1,), set i is ``hashes[ends[i]:ends[i + 1]]``.
    """

    hashes: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.ends) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        """Return the shingle hashes of one text."""
        return self.hashes[self.ends[row] : self.ends[row + 1]]


def canonical(texts: pl.Series) -> pl.Series:
    """Return the texts as they are shingled, apart from the case of ASCII letters: lower case, Unicode NFC, no nulls.

    Only rows beyond ASCII are touched: the compiled loop lowers ASCII letters as it reads them.
    """
    texts = texts.cast(pl.String).fill_null("")
    beyond = texts.str.len_bytes() != texts.str.len_chars()
    if not beyond.any():
        return texts
    rows = beyond.arg_true()
    lowered = texts.gather(rows).str.to_lowercase().str.normalize("NFC")
    return texts.scatter(rows, lowered)


def signatures(texts: pl.Series, spec: MinHashSpec) -> Signatures:
    """Compute the MinHash signature of each text (Broder 1997).

    A text becomes lower-case tokens. With ``unit="word"`` they are what lies between white space. With ``unit="token"``
    they are runs of letters, digits, marks and underscores, and single marks of punctuation. With both, each character
    of a script that puts no spaces between words (Han, kana, Thai, Lao, Khmer, Burmese) is a token, and so is each
    symbol and emoji. With ``unit="character"`` each character is one, a run of white space being one space.
    A shingle is a run of n tokens; a text with fewer than n tokens has one shingle, the whole text, so it is near to
    nothing but texts of the same tokens. A text without tokens has no shingle and is never a near duplicate.

    Slot i is the minimum over the shingles' 32-bit hashes x of (a_i x + b_i) mod 2^32, a_i odd.

    Args:
        texts: n strings; null counts as empty.
        spec: what a shingle is, and the number of slots.

    Returns:
        The signatures; (4 slots + 12) bytes per row. Memory beside that: one block of 8,192 texts.
    """
    from datasel_assets.corpus.minhash_kernels import sign

    texts = canonical(texts)
    n = len(texts)
    found = Signatures(np.empty((n, spec.slots), np.uint32), np.empty(n, np.int32), np.empty(n, np.uint64))
    multipliers, addends = _hash_functions(spec)
    unit = _UNITS.index(spec.unit)
    for first in range(0, n, _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        data, offsets = _bytes_of(texts[block])
        sign(
            data,
            offsets,
            spec.n,
            unit,
            multipliers,
            addends,
            found.values[block],
            found.sizes[block],
            found.digests[block],
        )
    return found


def shingles(texts: pl.Series, spec: MinHashSpec) -> Shingles:
    """Return the shingle sets that ``signatures`` summarises; 8 bytes per distinct shingle."""
    from datasel_assets.corpus.minhash_kernels import shingle_sets

    data, offsets = _bytes_of(canonical(texts))
    return Shingles(*shingle_sets(data, offsets, spec.n, _UNITS.index(spec.unit)))


def jaccard(sets: Shingles, left: np.ndarray, right: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """Return the exact Jaccard similarity of pairs of shingle sets, |A and B| / |A or B|.

    Args:
        sets: shingle sets, none of those asked for empty.
        left: int (m,), positions in ``sets``.
        right: int (m,), likewise.
        threshold: pairs below it are given up early.

    Returns:
        float64 (m,) in [0, 1]; NaN where the pair is below ``threshold``.
    """
    from datasel_assets.corpus.minhash_kernels import overlaps

    shared = np.empty(len(left), np.int64)
    overlaps(sets.hashes, sets.ends, left.astype(np.int64), right.astype(np.int64), float(threshold), shared)
    sizes = np.diff(sets.ends)
    similarity = shared / (sizes[left] + sizes[right] - shared)
    return np.where((shared >= 0) & (similarity >= threshold), similarity, np.nan)


def _bytes_of(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the UTF-8 bytes of all texts, and where each begins and ends: offsets int64 (n + 1,)."""
    if not len(texts) or not texts.str.len_bytes().sum():
        # Read-only like Arrow's buffers, because the loops would be compiled once more for the other kind.
        nothing, offsets = np.zeros(1, np.uint8), np.zeros(len(texts) + 1, np.int64)
        nothing.flags.writeable = offsets.flags.writeable = False
        return nothing, offsets
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    return np.frombuffer(data, np.uint8), np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]


def _hash_functions(spec: MinHashSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return odd multipliers and addends, uint32 (slots,): SplitMix64 of the seed and the slot."""
    drawn = []
    state = spec.seed
    for _ in range(spec.slots):
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        value = state
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        drawn.append(value ^ (value >> 31))
    pairs = np.array(drawn, np.uint64)
    return (pairs >> np.uint64(32)).astype(np.uint32) | np.uint32(1), (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
