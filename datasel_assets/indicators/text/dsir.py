"""Importance of a row for a target by hashed n-grams: DSIR (Xie et al. 2023).

Belongs here: features, bag-of-n-gram distributions of a pool and a target, the log ratio. Does not: resampling by it
(a sampler: Gumbel top-k with temperature 1). Features equal those of the authors' package data-selection bit by bit:
lower case, NLTK's word-punctuation split, SHA-256 modulo the number of buckets. NLTK splits with the engine ``regex``
since version 3.10; its earlier versions cut words at combining marks, so features of Thai or Hindi depend on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.batch import Ragged, TextBatch

NGRAMS = 2
BUCKETS = 10_000
SMOOTHING = 1e-8
"""Added to both probabilities inside the logarithms, as the package does."""
_TOKEN = r"\w+|[^\w\s]+"


@dataclass(frozen=True)
class Importance:
    """Log ratio of the n-gram distributions of a target and of the pool that is selected from.

    Attributes:
        target_counts: n-grams of the target in each bucket, (buckets,).
        pool_counts: n-grams of the pool in each bucket, (buckets,).
        n: longest n-gram.
    """

    target_counts: np.ndarray
    pool_counts: np.ndarray
    n: int = NGRAMS

    def __post_init__(self) -> None:
        if self.target_counts.shape != self.pool_counts.shape or self.target_counts.ndim != 1:
            raise ValueError(
                f"counts of target {self.target_counts.shape} and pool {self.pool_counts.shape} need the same buckets"
            )
        if not (self.target_counts.sum() > 0 and self.pool_counts.sum() > 0):
            raise ValueError("target and pool both need at least one n-gram")

    @property
    def log_ratio(self) -> np.ndarray:
        """Log of target over pool probability of each bucket, float64 (buckets,)."""
        target = self.target_counts / self.target_counts.sum()
        pool = self.pool_counts / self.pool_counts.sum()
        return np.log(target + SMOOTHING) - np.log(pool + SMOOTHING)


@indicator(keep="high", source="Xie et al. 2023, DSIR; survey Eq 52, in logs")
def dsir_log_ratio(prompt: TextBatch, response: TextBatch, *, importance: Importance) -> np.ndarray:
    """How much likelier the n-grams of the row are in the target than in the pool (DSIR log importance weight).

    h . (log gamma - log beta): h counts of the row's hashed 1- and 2-grams, gamma and beta their distributions in the
    target and in the pool. The text is prompt and response joined by a line break. Grows with length; rows below
    some 100 tokens are dropped by the authors, not here. 0 for an empty row.
    """
    pairs = zip(prompt.texts.to_list(), response.texts.to_list(), strict=True)
    texts = [f"{asked}\n{answered}" for asked, answered in pairs]
    return log_importance(texts, importance)


def log_importance(texts: Sequence[str], importance: Importance) -> np.ndarray:
    """Log importance weight of each text, float64 (n,)."""
    features = hashed_ngrams(texts, importance.n, len(importance.target_counts))
    return features.sums(importance.log_ratio)


def bucket_counts(texts: Sequence[str], n: int = NGRAMS, buckets: int = BUCKETS) -> np.ndarray:
    """N-grams of all texts together in each bucket, int64 (buckets,): what a target or a pool is known by.

    Counts of parts of a pool add up to those of the pool.
    """
    return np.bincount(hashed_ngrams(texts, n, buckets).ids, minlength=buckets)


def hashed_ngrams(texts: Sequence[str], n: int = NGRAMS, buckets: int = BUCKETS) -> Ragged:
    """Buckets of all n-grams of 1 to n tokens of each text, one entry per occurrence.

    Shorter n-grams first. ``np.bincount`` of a row is ``get_ngram_counts`` of data-selection for that text.
    """
    if n < 1 or buckets < 1:
        raise ValueError(f"n-grams need n >= 1 and at least one bucket, not n={n}, buckets={buckets}")
    import regex

    find = regex.compile(_TOKEN).findall
    split = [find(text.lower()) for text in texts]
    lengths = np.array([len(tokens) for tokens in split], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = pl.Series("token", list(chain.from_iterable(split)), dtype=pl.String)
    encoded = flat.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    tokens = encoded.indices.to_numpy().astype(np.int64)
    vocabulary: list[str] = encoded.dictionary.to_pylist()
    row_of = np.repeat(np.arange(len(texts)), lengths)

    position, ids, strings = np.arange(len(tokens)), tokens, vocabulary
    found, rows = [_buckets(strings, buckets)[ids]], [row_of]
    for length in range(2, n + 1):
        fits = position + length <= offsets[row_of[position] + 1]
        position, before = position[fits], ids[fits]
        last = tokens[position + length - 1]
        key, ids = np.unique(before * max(len(vocabulary), 1) + last, return_inverse=True)
        heads, tails = np.divmod(key, max(len(vocabulary), 1))
        strings = [f"{strings[a]} {vocabulary[b]}" for a, b in zip(heads.tolist(), tails.tolist(), strict=True)]
        found.append(_buckets(strings, buckets)[ids])
        rows.append(row_of[position])
    every_row = np.concatenate(rows)
    order = np.argsort(every_row, kind="stable")
    counts = np.bincount(every_row, minlength=len(texts))
    return Ragged(np.concatenate(found)[order], np.concatenate([[0], np.cumsum(counts)]), buckets)


def _buckets(strings: Iterable[str], buckets: int) -> np.ndarray:
    """Bucket of each n-gram: its SHA-256, read as one number, modulo the number of buckets."""
    from_bytes = int.from_bytes
    found = [from_bytes(sha256(string.encode()).digest(), "big") % buckets for string in strings]
    return np.array(found, np.int32)
