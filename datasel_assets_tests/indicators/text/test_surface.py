import numpy as np
import pytest

from datasel_assets.indicators.text import surface
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE, EMOJI, ENGLISH


def test_counts_of_a_toy_corpus_by_hand():
    batch = TextBatch(["Ab 12, c.", "", "你好!"])
    expected = {
        "characters": [9, 0, 3],
        "words": [3, 0, 2],
        "sentences": [1, 0, 1],
        "mean_word_length": [5 / 3, np.nan, 1],
        "symbol_share": [2 / 7, np.nan, 1 / 3],
        "digit_share": [2 / 7, np.nan, 0],
        "uppercase_share": [1 / 3, np.nan, np.nan],
        "non_ascii_share": [0, np.nan, 2 / 3],
        "ends_open": [0, np.nan, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(surface, name)(batch), values, err_msg=name)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        CHINESE,
        ARABIC,
        "Done!",
        'He said "yes."',
        "(All of it.)  \n",
        "**Bold end.**",
        "```\nx = 1\n```",
        "Well…",
    ],
)
def test_a_text_with_final_punctuation_is_closed(text: str):
    assert surface.ends_open(TextBatch([text])).tolist() == [0]


@pytest.mark.parametrize("text", ["The cat sat on", "one, two,", "The reason is:", "and (", "42", "end.) x", EMOJI])
def test_a_text_without_final_punctuation_is_open(text: str):
    assert surface.ends_open(TextBatch([text])).tolist() == [1]


def test_a_blank_text_is_neither_open_nor_closed():
    assert np.isnan(surface.ends_open(TextBatch(["", " \n\t"]))).all()
