import numpy as np
import pytest

from datasel_assets.indicators.text import repetition
from datasel_assets.words.batch import TextBatch


def test_the_most_frequent_run_is_a_share_of_all_runs():
    batch = TextBatch(["a b a b a b", "a b c d", "a", ""])
    np.testing.assert_allclose(repetition.top_2gram_share(batch), [3 / 5, 0, np.nan, np.nan])
    np.testing.assert_allclose(repetition.top_3gram_share(batch), [2 / 4, 0, np.nan, np.nan])
    np.testing.assert_allclose(repetition.top_4gram_share(batch), [2 / 3, 0, np.nan, np.nan])


def test_duplicate_lines_are_those_that_came_before():
    batch = TextBatch(["a\n a \n\nb\na", "a", "\n \n", "x\ny"])
    np.testing.assert_allclose(repetition.duplicate_line_share(batch), [2 / 4, 0, np.nan, 0])


def test_the_longest_run_of_a_word_is_found():
    batch = TextBatch(["no no, NO yes yes", "a b a b", "好好好", "", "no"])
    np.testing.assert_allclose(repetition.repeated_word_run(batch), [3, 1, 3, np.nan, 1])


def test_a_run_does_not_cross_into_the_next_row():
    assert repetition.repeated_word_run(TextBatch(["x y", "y y"])).tolist() == [1, 2]


def test_repetitive_text_compresses_better():
    once = "The cat sat on the mat and looked at the sun."
    short, long = repetition.compression_ratio(TextBatch([once, once * 20]))
    assert short < 1.2
    assert long > 10
    assert np.isnan(repetition.compression_ratio(TextBatch([""]))[0])
    assert repetition.compression_ratio(TextBatch(["a"]))[0] == pytest.approx(1 / 9)
