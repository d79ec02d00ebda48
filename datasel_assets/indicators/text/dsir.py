r"""Importance of a row for a target by hashed n-grams: DSIR (Xie et al. 2023).

Belongs here: features, bag-of-n-gram distributions of a pool and a target, the log ratio. Does not: its YAML
(``specs.score``), resampling by it (a sampler: Gumbel top-k with temperature 1). Features equal those of the authors'
package data-selection bit by bit: lower case, NLTK's word-punctuation split, SHA-256 modulo the number of buckets. NLTK
splits with the engine ``regex`` since version 3.10; its earlier versions cut words at combining marks, so features of
Thai or Hindi depend on it. The split is ``\w+|[^\w\s]+``: runs of characters of one class, so the compiled loop that
does it needs the class of each character and nothing else of the expression.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Need, ScoreKind
from datasel_assets.specs.score import BUCKETS, NGRAMS, DsirSpec
from datasel_assets.words.batch import Ragged, TextBatch

SMOOTHING = 1e-8
"""Added to both probabilities inside the logarithms, as the package does."""


@dataclass(frozen=True)
class Importance:
    """Log ratio of the n-gram distributions of a target and of the pool that is selected from.

    Attributes:
        target_counts: n-grams of the target in each bucket, (buckets,).
        pool_counts: n-grams of the pool in each bucket, (buckets,).
        n: longest n-gram.
        prior: n-grams in the proportions of the pool that are added to the target's.
    """

    target_counts: np.ndarray
    pool_counts: np.ndarray
    n: int = NGRAMS
    prior: float = 0.0

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
        pool = self.pool_counts / self.pool_counts.sum()
        target = self.target_counts + self.prior * pool
        target = target / target.sum()
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


def log_importance(texts: "Sequence[str] | pl.Series", importance: Importance) -> np.ndarray:
    """Log importance weight of each text, float64 (n,)."""
    return weigh(hashed_ngrams(texts, importance.n, len(importance.target_counts)), importance)


def weigh(features: Ragged, importance: Importance) -> np.ndarray:
    """Log importance weight of each row of :func:`hashed_ngrams`, float64 (n,); a row's own entries in their order."""
    return features.sums(importance.log_ratio)


def bucket_counts(texts: "Sequence[str] | pl.Series", n: int = NGRAMS, buckets: int = BUCKETS) -> np.ndarray:
    """N-grams of all texts together in each bucket, int64 (buckets,): what a target or a pool is known by.

    Counts of parts of a pool add up to those of the pool.
    """
    return np.bincount(hashed_ngrams(texts, n, buckets).ids, minlength=buckets)


def hashed_ngrams(texts: "Sequence[str] | pl.Series", n: int = NGRAMS, buckets: int = BUCKETS) -> Ragged:
    """Buckets of all n-grams of 1 to n tokens of each text, one entry per occurrence.

    Shorter n-grams first. ``np.bincount`` of a row is ``get_ngram_counts`` of data-selection for that text. Each
    distinct n-gram is hashed once; some 10 bytes are held per byte of text.
    """
    if n < 1 or not 1 <= buckets < 1 << 31:
        raise ValueError(f"n-grams need n >= 1 and 1 to 2^31 - 1 buckets, not n={n}, buckets={buckets}")
    from datasel_assets.indicators.text import dsir_kernels as kernels

    stream, offsets = _lowered(TextBatch(texts).texts)
    tokens, lengths, starts, ends, firsts = kernels.split(stream, offsets, _classes())
    places = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.concatenate([[0], np.cumsum(sum(np.maximum(lengths - k, 0) for k in range(n)))])
    out, filled, ids = np.empty(entries[-1], np.int32), entries[:-1].copy(), tokens
    for length in range(1, n + 1):
        if length > 1:
            ids, firsts = kernels.extend(tokens, places, ids, length)
        bucket_of = kernels.buckets(stream, starts, ends, tokens, firsts, length, buckets)
        for k in np.flatnonzero(bucket_of < 0):
            gram = tokens[firsts[k] : firsts[k] + length]
            text = b" ".join(stream[starts[token] : ends[token]].tobytes() for token in gram)
            bucket_of[k] = int.from_bytes(sha256(text).digest(), "big") % buckets
        kernels.scatter(ids, bucket_of, places, filled, out)
    return Ragged(out, entries, buckets)


def _lowered(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 bytes of all texts in lower case, and where each begins, int64 (n + 1,)."""
    other = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if len(other):
        # Lower case beyond ASCII is Python's, which is the package's; polars may know another version of Unicode.
        texts = texts.scatter(other, [text.lower() for text in texts.gather(other)])
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    text = memoryview(data)[starts[0] : starts[-1]] if data is not None else b""
    return np.frombuffer(bytes(text).lower(), np.uint8), starts - starts[0]


@lru_cache(maxsize=1)
def _classes() -> np.ndarray:
    """Class of each code point, uint8 (0x110000,): 1 what the expression calls a word, 0 white space, 2 the rest."""
    import regex

    found = np.full(0x110000, 2, np.uint8)
    # Planes 4 to 13 and the private planes hold no character of a word and no space.
    for first, last in ((0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000)):
        characters = "".join(map(chr, range(first, last)))
        for kind, expression in ((0, r"\s+"), (1, r"\w+")):
            for match in regex.finditer(expression, characters):
                found[first + match.start() : first + match.end()] = kind
    return found


KIND = ScoreKind(
    name="dsir",
    ways=("dsir",),
    spec=DsirSpec,
    keep=dsir_log_ratio.keep,
    per="source",
    indicator=dsir_log_ratio,
    needs=lambda spec: (Need("example", "target", spec.target),),
    about=lambda spec: f"Log importance weight toward `{spec.target}` by hashed 1- to {spec.n}-grams.",
)
"""The kind of the files with ``how: dsir``."""
