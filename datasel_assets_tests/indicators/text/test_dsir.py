import numpy as np
import pytest
import regex
from data_selection.hashed_ngram_dsir import get_ngram_counts
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.indicators.text.dsir import (
    Importance,
    _classes,
    bucket_counts,
    dsir_log_ratio,
    hashed_ngrams,
    log_importance,
)
from datasel_assets.words.batch import TextBatch
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


@settings(max_examples=60)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_features_equal_on_any_text(texts: list[str]):
    expected = sum((get_ngram_counts(text, n=2, num_buckets=50) for text in texts), np.zeros(50, int))
    np.testing.assert_array_equal(bucket_counts(texts, 2, 50), expected)


def test_features_equal_where_tables_grow_and_tokens_are_longer_than_a_block_of_the_hash():
    generator = np.random.default_rng(0)
    short = [" ".join(np.base_repr(k, 36) for k in generator.integers(0, 60_000, 9_000)) for _ in range(4)]
    long = [" ".join(f"longer{k}than8" for k in range(9_000)), " ".join(f"{k}" * 9 for k in range(9_000, 12_000))]
    blocks = ["x" * k + " " + "y" * (54 - k) for k in range(1, 54, 7)] + ["é" * k for k in range(24, 32)]
    odd = ["\0", "\0\0 \0", "a" * 70_000, "ab" * 5 + "\0", "ΑΣ ΑΣΑ İI ǅ", "\U0001f600\U0001f600 \U000e0100"]
    texts = [*short, "", *long, *blocks, *odd]
    features = hashed_ngrams(texts)
    assert len(features.offsets) == len(texts) + 1
    for k, text in enumerate(texts):
        row = features.ids[features.offsets[k] : features.offsets[k + 1]]
        np.testing.assert_array_equal(np.bincount(row, minlength=10_000), get_ngram_counts(text))


def test_the_class_of_a_character_is_that_of_the_expression():
    found = _classes()
    assigned = [*range(0, 0xD800, 37), *range(0xE000, 0x40000, 53), *range(0x40000, 0x110000, 4111), 0x2028, 0xA0, 0x1C]
    for code in assigned:
        expected = 1 if regex.match(r"\w", chr(code)) else 0 if regex.match(r"\s", chr(code)) else 2
        assert found[code] == expected, hex(code)


def test_a_half_of_a_surrogate_pair_counts_as_the_replacement_character():
    np.testing.assert_array_equal(bucket_counts(["a \ud800 b"]), bucket_counts(["a \ufffd b"]))


def test_the_ratio_is_the_scalar_product_of_features_and_log_differences():
    texts = [ENGLISH, "the fox and the dog", "stock prices fell"]
    target, pool = bucket_counts(texts[:1]), bucket_counts(texts)
    expected = [
        get_ngram_counts(text) @ (np.log(target / target.sum() + 1e-8) - np.log(pool / pool.sum() + 1e-8))
        for text in texts
    ]
    np.testing.assert_allclose(log_importance(texts, Importance(target, pool)), expected, rtol=1e-12)


def test_a_prior_adds_ngrams_in_the_proportions_of_the_pool_to_those_of_the_target():
    target, pool = np.array([3, 0, 1]), np.array([2, 6, 2])
    found = Importance(target, pool, prior=10.0).log_ratio
    np.testing.assert_allclose(found, np.log(np.array([5, 6, 3]) / 14 + 1e-8) - np.log(pool / 10 + 1e-8))
    assert np.abs(Importance(target, pool, prior=1e9).log_ratio).max() < 1e-6


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
