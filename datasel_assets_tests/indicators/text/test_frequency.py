import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.indicators.text.frequency import (
    COMMON,
    FREQUENCY,
    NgramCounts,
    count_conversations,
    count_ngrams,
    dqi_c1,
    dqi_c2,
    dqi_c6,
    frequency_band,
    length_bands,
    middle_band,
    sum_counts,
    unigram_logprob,
    words_of,
)
from datasel_assets.words.batch import TextBatch

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
    bands = {"x": (0.5, 1.0), "y": (0.5, 1.0)}
    batch = TextBatch(["a", "a", "a"])
    found = dqi_c6(batch, labels=["x", "y", "other"], label_counts=counts, label_bands=bands)
    np.testing.assert_allclose(found, [1, -1, np.nan])
    other = dqi_c6(batch, labels=["x", "y", "other"], label_counts=counts, label_bands={**bands, "y": (0.2, 0.4)})
    np.testing.assert_allclose(other, [1, 1, np.nan])
    with pytest.raises(ValueError, match="1 labels for 3"):
        dqi_c6(batch, labels=["x"], label_counts=counts, label_bands=bands)


def test_counts_read_back_from_a_table_are_the_same():
    counts = count_ngrams(POOL)
    again = NgramCounts(1, pl.DataFrame(counts.table.to_dict(as_series=False)))
    np.testing.assert_array_equal(again.of(POOL), counts.of(POOL))


SIDES = {"prompt": ["a b c", "", "a b"], "response": ["b b b", "c a d e", ""]}


def counted(rows: dict[str, list[str]], of: slice = slice(None)) -> pl.DataFrame:
    return count_conversations({part: pl.Series(texts[of], dtype=pl.String) for part, texts in rows.items()})


def units(table: pl.DataFrame) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for unit, value, count in table.iter_rows():
        found.setdefault(unit, {})[value] = count
    return found


def test_conversations_are_counted_by_word_and_by_the_length_of_each_side():
    assert units(counted(SIDES)) == {
        "word": {"a": 3, "b": 5, "c": 2, "d": 1, "e": 1},
        "prompt_length": {"3": 1, "2": 1},
        "response_length": {"3": 1, "4": 1},
    }
    assert length_bands(counted(SIDES)) == {"prompt": (2, 3), "response": (3, 4)}


words = st.lists(st.sampled_from(["a", "b", "c", "dd", "Dd", "\u4f60", "!"]), max_size=6).map(" ".join)


@settings(max_examples=40)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8), st.integers(1, 3))
def test_counts_of_any_pieces_add_up_to_those_of_the_whole(pairs, size):
    sides = {"prompt": [p for p, _ in pairs], "response": [r for _, r in pairs]}
    pieces = [counted(sides, slice(start, start + size)) for start in range(0, len(pairs), size)]
    whole = counted(sides)
    # A vocabulary of one makes every piece be added at once.
    assert sum_counts(pieces).equals(whole)
    assert sum_counts(pieces, 1).filter(pl.col("unit") != "word").equals(whole.filter(pl.col("unit") != "word"))
    spoken = Counter(word.lower() for pair in pairs for text in pair for word in text.split() if word != "!")
    assert units(whole).get("word", {}) == dict(spoken)
    if spoken:
        first = min(spoken, key=lambda word: (-spoken[word], word))
        assert units(sum_counts([whole], 1))["word"] == {first: spoken[first]}


@settings(max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.sampled_from([0.5, 0.8, 1.0]))
def test_a_middle_band_is_the_band_of_the_values_written_out(values, share):
    distinct, count = np.unique(values, return_counts=True)
    ordered, n = sorted(values), len(values)
    # The smallest value that at least this share of all values does not exceed, in exact integers.
    ends = (10 - 10 * share, 10 + 10 * share)
    low, high = (next(v for k, v in enumerate(ordered, 1) if 20 * k >= q * n) for q in ends)
    assert middle_band(distinct, count, share) == (low, high)


def test_without_values_the_band_is_a_point():
    assert middle_band(np.empty(0), np.empty(0)) == (0, 0)
    assert frequency_band(words_of(counted({"prompt": ["!"], "response": [""]}))) == (0, 0)


def test_the_frequency_band_holds_most_of_the_running_words():
    text = " ".join(f"w{k}" for k in range(1, 60) for _ in range(k))
    counts = count_ngrams(TextBatch([text]))
    band = frequency_band(counts)
    inside = [k for k in range(1, 60) if band[0] <= k / counts.total <= band[1]]
    assert 0.8 <= sum(inside) / counts.total <= 0.85
    assert dqi_c2(TextBatch([text]), counts=counts, frequency_band=band)[0] == pytest.approx(0.6, abs=0.05)


def test_counts_on_common_words_keep_the_others_together():
    counts = count_ngrams(TextBatch(["a a a b b c d"]))
    assert counts.common.to_list() == ["a", "b", "c", "d"]
    assert counts.on(pl.Series(["b", "z"])).tolist() == [2, 0, 5]
    assert count_ngrams(TextBatch([""])).on(pl.Series(["b"])).tolist() == [0, 0]
    many = count_ngrams(TextBatch([" ".join(f"w{k}" for k in range(COMMON + 9))]))
    assert len(many.common) == COMMON
    assert many.on(many.common)[-1] == 9


def test_the_family_holds_what_needs_counts_or_bands_of_the_pool():
    assert list(FREQUENCY) == ["unigram_logprob", "dqi_c1", "dqi_c2", "dqi_c6"]
