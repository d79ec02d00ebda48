"""Frequency: how common the words and n-grams of a text are in a pool, and the length it has among its rows.

Belongs here: counts of n-grams, unigram probability, the terms of the Data Quality Index (DQI; Mishra et al. 2020,
components c1, c2 and c6) that belong to one row. Does not: where counts are kept, and when they are taken anew.

DQI sums signs over a data set: sgn((x - low)(high - x)) is 1 inside a band, -1 outside, 0 on its edge. One row's share
of the sum is what the columns hold. No band is published, so the functions take any; the table ``frequency`` gives them
those of :func:`middle_band`: the values that hold the middle 80 % of the pool.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from datasel_assets.indicators.base import Indicator, Part, indicator
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.words.batch import TextBatch

_DQI = "Mishra et al. 2020, DQI; survey Q1, Q2, Q6"
Band = tuple[float, float]
"""Lowest and highest value that is neither too small nor too large."""

MIDDLE = 0.8
"""Share of the pool that a band holds: from the 10 % to the 90 % quantile."""

VOCABULARY = 1_000_000
"""Distinct words that counts keep, the most frequent ones; the others are as unseen ones. About 100 bytes each."""

COMMON = 2048
"""Most frequent words that drift is measured on, one place more for all others: with every word of the vocabulary, two
samples of one pool would differ by as much as two pools."""


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

    @property
    def common(self) -> pl.Series:
        """The ``COMMON`` most frequent n-grams, ties by name."""
        return self.table.sort("count", "ngram", descending=[True, False])["ngram"].head(COMMON)

    def on(self, ngrams: pl.Series) -> np.ndarray:
        """Count of each of these n-grams and, in the last place, of all others together; int64 (size + 1,)."""
        wanted = ngrams.rename("ngram").to_frame()
        found = wanted.join(self.table, on="ngram", how="left", maintain_order="left")["count"].fill_null(0).to_numpy()
        return np.append(found, self.total - found.sum()).astype(np.int64)


COUNTED: dict[str, pl.DataType | type[pl.DataType]] = {"unit": pl.String, "value": pl.String, "count": pl.Int64}
"""Columns of the counts of conversations. ``unit`` says what is counted: ``word``, a distinct word, in the turns of
both sides; ``prompt_length`` and ``response_length``, the number of words of a side, in rows where it has any."""


def count_conversations(sides: Mapping[Part, pl.Series]) -> pl.DataFrame:
    """Count the words of conversations and the rows of each length, with the columns of ``COUNTED``.

    Args:
        sides: text of each row for each side.
    """
    pieces = [pl.DataFrame(schema=COUNTED)]
    for part, texts in sides.items():
        batch = TextBatch(texts)
        words = count_ngrams(batch).table.rename({"ngram": "value"})
        lengths = pl.DataFrame({"value": batch.words.lengths}).filter(pl.col("value") > 0)
        counted = lengths.group_by("value").agg(count=pl.len().cast(pl.Int64)).cast({"value": pl.String})
        pieces += [_unit("word", words), _unit(f"{part}_length", counted)]
    return sum_counts(pieces)


def sum_counts(pieces: Iterable[pl.DataFrame], vocabulary: int = VOCABULARY) -> pl.DataFrame:
    """Add up counts with the columns of ``COUNTED``; the most frequent first, at most ``vocabulary`` words.

    Memory: every distinct word once, however many are kept, and about as many again that wait to be added.
    """
    total, waiting = pl.DataFrame(schema=COUNTED), 0
    pending: list[pl.DataFrame] = []
    for piece in pieces:
        pending.append(piece)
        waiting += piece.height
        if waiting > max(total.height, vocabulary):
            total, pending, waiting = _added([total, *pending]), [], 0
    total = _added([total, *pending]).sort("unit", "count", "value", descending=[False, True, False])
    return total.filter((pl.col("unit") != "word") | (pl.int_range(pl.len()).over("unit") < vocabulary))


def words_of(counted: pl.DataFrame) -> NgramCounts:
    """Return the words among the counts of conversations."""
    return NgramCounts(1, counted.filter(pl.col("unit") == "word").select(ngram="value", count="count"))


def length_bands(counted: pl.DataFrame) -> dict[Part, Band]:
    """Return the middle lengths of each side, in words, over the rows that have any."""
    found: dict[Part, Band] = {}
    for part in BOTH:
        rows = counted.filter(pl.col("unit") == f"{part}_length")
        found[part] = middle_band(rows["value"].cast(pl.Int64).to_numpy(), rows["count"].to_numpy())
    return found


def frequency_band(counts: NgramCounts) -> Band:
    """Return the middle relative frequencies over the running n-grams, so that a frequent one counts as often."""
    count = counts.table["count"].to_numpy()
    return middle_band(count / max(counts.total, 1), count)


def middle_band(values: np.ndarray, weights: np.ndarray, share: float = MIDDLE) -> Band:
    """Return the values between which the middle ``share`` lies, each one of the values itself.

    The quantiles (1 - share) / 2 and (1 + share) / 2 of the weighted empirical distribution, by inversion. (0, 0)
    without values.

    >>> middle_band(np.arange(1, 11), np.ones(10))
    (1.0, 9.0)
    """
    if not len(values):
        return 0.0, 0.0
    # Rounded, because 0.5 - 0.8 / 2 is a hair above 0.1, and the next value with it.
    ends = [round((1 - share) / 2, 12), round((1 + share) / 2, 12)]
    low, high = np.quantile(values, ends, weights=weights, method="inverted_cdf")
    return float(low), float(high)


def _unit(unit: str, counts: pl.DataFrame) -> pl.DataFrame:
    return counts.select(pl.lit(unit).alias("unit"), "value", "count")


def _added(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(pieces).group_by("unit", "value").agg(pl.col("count").sum())


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
    NaN without words. The pool's counts are of the turns of both sides, of the million most frequent words.

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

    sgn((N - low)(high - N)). No band is published: the table takes the lengths of the middle 80 % of the pool's rows
    that have words, for each side.

    Args:
        batch: n texts.
        length_band: lowest and highest number of words.
    """
    return _sign(batch.words.lengths.astype(np.float64), length_band)


@indicator(keep="high", bounds=(-1, 1), source=_DQI, parts=BOTH)
def dqi_c2(batch: TextBatch, *, counts: NgramCounts, frequency_band: Band) -> np.ndarray:
    """Mean over the n-grams of whether their frequency in the pool lies in a band (DQI c2, term of one row).

    mean of sgn((f - low)(high - f)), f = count in the pool / count of all n-grams; repeated n-grams count each time.
    NaN below n words. The table counts single words (n = 1). No band is published: it takes the frequencies of the
    middle 80 % of the pool's running words.

    Args:
        batch: n texts.
        counts: of words, pairs or longer runs: the granularity.
        frequency_band: lowest and highest relative frequency.
    """
    return _banded(batch, counts, frequency_band)


@indicator(keep="high", bounds=(-1, 1), source=_DQI, parts=BOTH)
def dqi_c6(
    batch: TextBatch, *, labels: Sequence[str], label_counts: Mapping[str, NgramCounts], label_bands: Mapping[str, Band]
) -> np.ndarray:
    """As dqi_c2 within the rows of the same label (DQI c6, term of one row).

    NaN below n words and for a label without counts. The table takes the source as label, and the frequencies of the
    middle 80 % of its running words as its band.

    Args:
        batch: n texts.
        labels: label of each text, n.
        label_counts: counts of the n-grams of each label's rows.
        label_bands: lowest and highest relative frequency within each of these labels.
    """
    names = np.asarray(labels, dtype=object)
    if len(names) != len(batch):
        raise ValueError(f"{len(names)} labels for {len(batch)} texts")
    found = np.full(len(batch), np.nan)
    for label, counts in label_counts.items():
        mine = names == label
        if mine.any():
            found[mine] = _banded(batch, counts, label_bands[label])[mine]
    return found


def _banded(batch: TextBatch, counts: NgramCounts, band: Band) -> np.ndarray:
    return batch.ngrams(counts.n).means(_sign(counts.of(batch) / max(counts.total, 1), band))


def _sign(values: np.ndarray, band: Band) -> np.ndarray:
    low, high = band
    if not low <= high:
        raise ValueError(f"the band {band} is empty: give (lowest, highest)")
    return np.sign((values - low) * (high - values))


FREQUENCY: dict[str, Indicator] = {found.name: found for found in (unigram_logprob, dqi_c1, dqi_c2, dqi_c6)}
"""The family of these indicators: a table of its own, because they need counts of the pool beside the text."""
