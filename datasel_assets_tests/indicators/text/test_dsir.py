import numpy as np
import pytest
from data_selection.hashed_ngram_dsir import get_ngram_counts
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.indicators.text import TextBatch
from datasel_assets.indicators.text.dsir import (
    Importance,
    bucket_counts,
    dsir_log_ratio,
    hashed_ngrams,
    log_importance,
)
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE, ENGLISH, THAI


@pytest.mark.parametrize(("n", "buckets"), [(1, 7), (2, 10_000), (3, 64)])
def test_features_equal_those_of_data_selection_bit_by_bit(n: int, buckets: int):
    texts = ["Hello world, hello data!", "", ENGLISH, CHINESE, ARABIC, THAI, "a_b\u00a0c\nİ ß it's 3.14 ...!!", "one"]
    features = hashed_ngrams(texts, n, buckets)
    for k, text in enumerate(texts):
        row = features.ids[features.offsets[k] : features.offsets[k + 1]]
        np.testing.assert_array_equal(
            np.bincount(row, minlength=buckets), get_ngram_counts(text, n=n, num_buckets=buckets)
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_features_equal_on_any_text(texts: list[str]):
    expected = sum((get_ngram_counts(text, n=2, num_buckets=50) for text in texts), np.zeros(50, int))
    np.testing.assert_array_equal(bucket_counts(texts, 2, 50), expected)


def test_the_ratio_is_the_scalar_product_of_features_and_log_differences():
    texts = [ENGLISH, "the fox and the dog", "stock prices fell"]
    target, pool = bucket_counts(texts[:1]), bucket_counts(texts)
    expected = [
        get_ngram_counts(text) @ (np.log(target / target.sum() + 1e-8) - np.log(pool / pool.sum() + 1e-8))
        for text in texts
    ]
    np.testing.assert_allclose(log_importance(texts, Importance(target, pool)), expected, rtol=1e-12)


def test_a_target_that_is_the_pool_tells_nothing():
    counts = bucket_counts([ENGLISH, CHINESE])
    np.testing.assert_array_equal(log_importance([ENGLISH, "x", ""], Importance(counts, counts)), 0)


def test_rows_of_the_target_come_first():
    law = [f"the court ruled on appeal {k}" for k in range(20)]
    cooking = [f"stir the soup and add salt {k}" for k in range(20)]
    scores = log_importance(law + cooking, Importance(bucket_counts(law), bucket_counts(law + cooking)))
    assert scores[:20].min() > scores[20:].max()


def test_prompt_and_response_are_one_text():
    pool = Importance(bucket_counts(["a b"]), bucket_counts(["a b", "c d"]))
    found = dsir_log_ratio(TextBatch(["a", ""]), TextBatch(["b", ""]), importance=pool)
    np.testing.assert_array_equal(found, [log_importance(["a b"], pool)[0], 0])


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="same buckets"):
        Importance(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="at least one n-gram"):
        Importance(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="n >= 1"):
        hashed_ngrams(["a"], 0)
