"""Frequency: how common the words and n-grams of a text are in a pool, and the length it has among its rows.

Belongs here: counts of n-grams, unigram probability, the terms of the Data Quality Index (DQI; Mishra et al. 2020,
components c1, c2 and c6) that belong to one row. Does not: where counts are kept.

DQI sums signs over a data set: sgn((x - low)(high - x)) is 1 inside a band, -1 outside, 0 on its edge. One row's share
of the sum is what the columns hold. The survey gives DQI from memory and no bands, so none is built in: the caller
states them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.batch import TextBatch
from datasel_assets.indicators.text.parts import BOTH

_DQI = "Mishra et al. 2020, DQI; survey Q1, Q2, Q6"
Band = tuple[float, float]
"""Lowest and highest value that is neither too small nor too large."""


@dataclass(frozen=True)
class NgramCounts:
    """How often n-grams of words occur in a pool.

    Attributes:
        n: words of an n-gram.
        table: columns ``ngram`` (words in lower case joined by single spaces, distinct) and ``count`` (int64).
    """

    n: int
    table: pl.DataFrame

    @cached_property
    def total(self) -> int:
        """Occurrences of all n-grams."""
        return int(self.table["count"].sum())

    def merged(self, other: "NgramCounts") -> "NgramCounts":
        """Return the counts of both pools together, so that a pool is counted in pieces."""
        if self.n != other.n:
            raise ValueError(f"counts of {self.n}-grams and of {other.n}-grams cannot be added")
        both = pl.concat([self.table, other.table]).group_by("ngram", maintain_order=True).agg(pl.col("count").sum())
        return NgramCounts(self.n, both)

    def of(self, batch: TextBatch) -> np.ndarray:
        """Count of each distinct n-gram of a batch, int64 (size,); 0 for one that the pool lacks."""
        wanted = pl.DataFrame({"ngram": batch.ngram_strings(self.n)})
        found = wanted.join(self.table, on="ngram", how="left", maintain_order="left")["count"]
        return found.fill_null(0).to_numpy().astype(np.int64)


def count_ngrams(batch: TextBatch, n: int = 1) -> NgramCounts:
    """Count the n-grams of a batch."""
    ragged = batch.ngrams(n)
    counts = np.bincount(ragged.ids, minlength=ragged.size).astype(np.int64)
    strings = batch.ngram_strings(n).alias("ngram")
    return NgramCounts(n, pl.DataFrame([strings, pl.Series("count", counts)]))


@indicator(keep="mid", bounds=(None, 0), source="survey Q12, compound probability", parts=BOTH)
def unigram_logprob(batch: TextBatch, *, counts: NgramCounts) -> np.ndarray:
    """Mean natural logarithm of the probability of the words in a pool.

    mean over words of ln((c(w) + 1) / (C + V + 1)): c counts in the pool, C their sum, V distinct words of the pool,
    one place left for words that it lacks. Low for rare, foreign and misspelt words, high for nothing but common ones.
    NaN without words.

    Args:
        batch: n texts.
        counts: of single words (n = 1).
    """
    if counts.n != 1:
        raise ValueError(f"unigram_logprob needs counts of single words, not of {counts.n}-grams")
    return batch.words.means(np.log(counts.of(batch) + 1.0) - np.log(counts.total + counts.table.height + 1.0))


@indicator(keep="high", bounds=(-1, 1), source=_DQI, parts=BOTH)
def dqi_c1(batch: TextBatch, *, length_band: Band) -> np.ndarray:
    """Whether the number of words lies in a band: 1 inside, -1 outside, 0 on the edge (DQI c1, term of one row).

    sgn((N - low)(high - N)).

    Args:
        batch: n texts.
        length_band: lowest and highest number of words.
    """
    return _sign(batch.words.lengths.astype(np.float64), length_band)


@indicator(keep="high", bounds=(-1, 1), source=_DQI, parts=BOTH)
def dqi_c2(batch: TextBatch, *, counts: NgramCounts, frequency_band: Band) -> np.ndarray:
    """Mean over the n-grams of whether their frequency in the pool lies in a band (DQI c2, term of one row).

    mean of sgn((f - low)(high - f)), f = count in the pool / count of all n-grams; repeated n-grams count each time.
    NaN below n words.

    Args:
        batch: n texts.
        counts: of words, pairs or longer runs: the granularity.
        frequency_band: lowest and highest relative frequency.
    """
    return _banded(batch, counts, frequency_band)


@indicator(keep="high", bounds=(-1, 1), source=_DQI, parts=BOTH)
def dqi_c6(
    batch: TextBatch, *, labels: Sequence[str], label_counts: Mapping[str, NgramCounts], frequency_band: Band
) -> np.ndarray:
    """As dqi_c2 within the rows of the same label (DQI c6, term of one row).

    NaN below n words and for a label without counts.

    Args:
        batch: n texts.
        labels: label of each text, n.
        label_counts: counts of the n-grams of each label's rows.
        frequency_band: lowest and highest relative frequency within the label.
    """
    names = np.asarray(labels, dtype=object)
    if len(names) != len(batch):
        raise ValueError(f"{len(names)} labels for {len(batch)} texts")
    found = np.full(len(batch), np.nan)
    for label, counts in label_counts.items():
        mine = names == label
        if mine.any():
            found[mine] = _banded(batch, counts, frequency_band)[mine]
    return found


def _banded(batch: TextBatch, counts: NgramCounts, band: Band) -> np.ndarray:
    return batch.ngrams(counts.n).means(_sign(counts.of(batch) / max(counts.total, 1), band))


def _sign(values: np.ndarray, band: Band) -> np.ndarray:
    low, high = band
    if not low <= high:
        raise ValueError(f"the band {band} is empty: give (lowest, highest)")
    return np.sign((values - low) * (high - values))
