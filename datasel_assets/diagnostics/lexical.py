"""How varied the words of a set of texts are. Belongs here: figures of a set. Not: of one text (see ``indicators``)."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators.text.overlap import similarity
from datasel_assets.words.batch import TextBatch

MAX_ROWS = 5_000
PAIRS = 2_000
_LEVEL = 6


@dataclass(frozen=True)
class LexicalDiversity:
    """Variety of the words of a set of texts. Every figure depends on how much text there is: compare equal samples.

    Attributes:
        rows: texts of the set.
        used: texts looked at.
        words: running words of these.
        vocabulary: distinct words of these.
        distinct_1, distinct_2, distinct_3: distinct n-grams over all n-grams of the set, in (0, 1]; NaN without any.
        self_bleu: mean BLEU between two different texts, in [0, 1]; high for a set that repeats itself; NaN below two
            texts with words.
        compression: bytes over bytes compressed by zlib; high for a set that repeats itself; NaN without text.
    """

    rows: int
    used: int
    words: int
    vocabulary: int
    distinct_1: float
    distinct_2: float
    distinct_3: float
    self_bleu: float
    compression: float


def lexical_diversity(
    texts: Sequence[str] | np.ndarray,
    row_ids: Sequence[str] | np.ndarray,
    *,
    max_rows: int = MAX_ROWS,
    pairs: int = PAIRS,
    seed: int = 0,
) -> LexicalDiversity:
    """Return distinct-n, self-BLEU, compression ratio and vocabulary of a set of texts.

    distinct-n (Li et al. 2016, over n-grams of the whole set), self-BLEU (Zhu et al. 2018, on sampled pairs where the
    original compares each text with all others), compression ratio (Shaib et al. 2024). All of them are of the hash
    sample of at most ``max_rows`` texts in the order of their hashes, so that they depend on no order of the rows and
    sets of more than ``max_rows`` texts are compared at the same number of texts. zlib sees 32 KB back: it finds the
    repeats of neighbours in that random order, not of the whole set. Cost: linear in the characters looked at.

    Args:
        texts: n texts.
        row_ids: n distinct ids.
        max_rows: largest number of texts looked at.
        pairs: pairs of texts for self-BLEU: each text with those that follow it in the order of the hashes.
        seed: chooses sample and order.

    Raises:
        ValueError: texts and ids differ in number.
    """
    if len(texts) != len(row_ids):
        raise ValueError(f"{len(row_ids)} ids for {len(texts)} texts")
    order = hash_sample(row_ids, max_rows, seed)
    picked = [str(texts[i]) for i in order]
    batch = TextBatch(picked)
    raw = "\n".join(picked).encode("utf-8", "replace")
    return LexicalDiversity(
        rows=len(texts),
        used=len(order),
        words=len(batch.words.ids),
        vocabulary=batch.words.size,
        distinct_1=_distinct(batch, 1),
        distinct_2=_distinct(batch, 2),
        distinct_3=_distinct(batch, 3),
        self_bleu=_self_bleu(batch, pairs),
        compression=len(raw) / len(zlib.compress(raw, _LEVEL)) if raw else float("nan"),
    )


def _distinct(batch: TextBatch, n: int) -> float:
    ngrams = batch.ngrams(n)
    return ngrams.size / len(ngrams.ids) if len(ngrams.ids) else float("nan")


def _self_bleu(batch: TextBatch, pairs: int) -> float:
    filled = np.flatnonzero(batch.words.lengths)
    m = len(filled)
    if m < 2:
        return float("nan")
    # Steps 1, 2, ... around the ring of texts: every text is as often a reference as a candidate.
    steps = np.arange(1, min(-(-pairs // m), m - 1) + 1)
    left = np.tile(np.arange(m), len(steps))[: max(pairs, 1)]
    right = ((np.arange(m)[None, :] + steps[:, None]) % m).ravel()[: max(pairs, 1)]
    texts = batch.texts.gather(filled)
    scores = similarity(TextBatch(texts.gather(left)), TextBatch(texts.gather(right)), "bleu")
    return float(scores.mean())
