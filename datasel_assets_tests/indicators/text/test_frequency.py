import math

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.text import TextBatch
from datasel_assets.indicators.text.frequency import (
    NgramCounts,
    count_ngrams,
    dqi_c1,
    dqi_c2,
    dqi_c6,
    unigram_logprob,
)

POOL = TextBatch(["a a a b", "b c"])


def as_dict(counts: NgramCounts) -> dict[str, int]:
    return dict(counts.table.iter_rows())


def test_counts_are_those_of_the_words_and_pairs():
    assert as_dict(count_ngrams(POOL)) == {"a": 3, "b": 2, "c": 1}
    assert as_dict(count_ngrams(POOL, 2)) == {"a a": 2, "a b": 1, "b c": 1}
    assert count_ngrams(POOL).total == 6


def test_pieces_of_a_pool_add_up():
    merged = count_ngrams(TextBatch(["a a a b"])).merged(count_ngrams(TextBatch(["b c"])))
    assert as_dict(merged) == as_dict(count_ngrams(POOL))
    with pytest.raises(ValueError, match="cannot be added"):
        merged.merged(count_ngrams(POOL, 2))


def test_unigram_logprob_is_the_smoothed_mean():
    found = unigram_logprob(TextBatch(["a b", "zebra", ""]), counts=count_ngrams(POOL))
    expected = [(math.log(4 / 10) + math.log(3 / 10)) / 2, math.log(1 / 10), math.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="single words"):
        unigram_logprob(POOL, counts=count_ngrams(POOL, 2))


def test_lengths_inside_the_band_count_one_outside_minus_one():
    batch = TextBatch(["a", "a b", "a b c", "a b c d", "a b c d e"])
    assert dqi_c1(batch, length_band=(2, 4)).tolist() == [-1, 0, 1, 0, -1]
    with pytest.raises(ValueError, match="empty"):
        dqi_c1(batch, length_band=(4, 2))


def test_ngrams_inside_the_frequency_band_are_averaged():
    # Frequencies: a 1/2, b 1/3, c 1/6.
    found = dqi_c2(TextBatch(["a b c", "b b", "", "z"]), counts=count_ngrams(POOL), frequency_band=(0.2, 0.4))
    np.testing.assert_allclose(found, [-1 / 3, 1, np.nan, -1])
    pairs = dqi_c2(TextBatch(["a a b", "a"]), counts=count_ngrams(POOL, 2), frequency_band=(0.3, 0.9))
    np.testing.assert_allclose(pairs, [0, np.nan])


def test_frequencies_within_a_label_use_its_own_counts():
    counts = {"x": count_ngrams(TextBatch(["a a b"])), "y": count_ngrams(TextBatch(["b b a"]))}
    found = dqi_c6(TextBatch(["a", "a", "a"]), labels=["x", "y", "other"], label_counts=counts, frequency_band=(0.5, 1))
    np.testing.assert_allclose(found, [1, -1, np.nan])
    with pytest.raises(ValueError, match="1 labels for 3"):
        dqi_c6(TextBatch(["a"] * 3), labels=["x"], label_counts=counts, frequency_band=(0, 1))


def test_counts_read_back_from_a_table_are_the_same():
    counts = count_ngrams(POOL)
    again = NgramCounts(1, pl.DataFrame(counts.table.to_dict(as_series=False)))
    np.testing.assert_array_equal(again.of(POOL), counts.of(POOL))
