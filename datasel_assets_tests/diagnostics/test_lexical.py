"""Variety of the words of a set of texts against counts by hand."""

import math
import zlib
from collections import Counter

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics.lexical import lexical_diversity

TEXT = st.lists(st.sampled_from("abcdefg"), max_size=12).map(" ".join)


def ids(n: int) -> np.ndarray:
    return np.array([f"{i:032x}" for i in range(n)])


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


@settings(max_examples=40)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_distinct_n_counts_over_the_whole_set(texts):
    found = lexical_diversity(texts, ids(len(texts)))
    for n, value in ((1, found.distinct_1), (2, found.distinct_2), (3, found.distinct_3)):
        counts = Counter(gram for text in texts for gram in ngrams(text, n))
        expected = len(counts) / counts.total() if counts else math.nan
        assert value == pytest.approx(expected, nan_ok=True)
    words = [word for text in texts for word in text.split()]
    assert (found.words, found.vocabulary) == (len(words), len(set(words)))


def test_a_set_of_one_repeated_row_has_the_variety_of_the_row_over_its_copies():
    text = "the cat sat on the mat today"
    found = lexical_diversity([text] * 10, ids(10))
    assert found.distinct_1 == pytest.approx(6 / (10 * 7))
    assert found.distinct_2 == pytest.approx(6 / (10 * 6))
    assert found.self_bleu == pytest.approx(1)
    assert found.compression > 5


@settings(max_examples=20)
@given(st.lists(TEXT.filter(bool), min_size=2, max_size=6))
def test_self_bleu_of_few_texts_is_the_mean_over_all_ordered_pairs(texts):
    pairs = [(a, b) for i, a in enumerate(texts) for j, b in enumerate(texts) if i != j]
    expected = [
        sacrebleu.sentence_bleu(b, [a], smooth_method="exp", use_effective_order=True, tokenize="none").score / 100
        for a, b in pairs
    ]
    assert lexical_diversity(texts, ids(len(texts))).self_bleu == pytest.approx(np.mean(expected), abs=1e-9)


def test_compression_is_that_of_zlib_on_the_texts_in_the_order_of_their_hashes():
    texts = [f"row {i} says {i * i}" for i in range(50)]
    raw = "\n".join(texts[i] for i in hash_sample(ids(50), 50, 0)).encode()
    assert lexical_diversity(texts, ids(50)).compression == pytest.approx(len(raw) / len(zlib.compress(raw, 6)))


def test_a_large_set_is_cut_to_a_hash_sample_that_ignores_the_order_of_rows():
    texts, names = [f"row {i} of many {i % 7} {i % 3}" for i in range(300)], ids(300)
    turned = np.random.default_rng(0).permutation(300)
    cut = lexical_diversity(texts, names, max_rows=40, pairs=25)
    assert cut == lexical_diversity([texts[i] for i in turned], names[turned], max_rows=40, pairs=25)
    assert (cut.rows, cut.used) == (300, 40)
    assert cut != lexical_diversity(texts, names, max_rows=40, pairs=25, seed=1)


def test_nothing_to_read_gives_no_figures():
    for texts in ([], ["", ""], ["!!"]):
        found = lexical_diversity(texts, ids(len(texts)))
        assert (found.words, found.vocabulary) == (0, 0)
        assert math.isnan(found.distinct_1)
        assert math.isnan(found.self_bleu)
    assert math.isnan(lexical_diversity([], []).compression)
    assert lexical_diversity(["\ud800 broken"], ids(1)).words == 1
    with pytest.raises(ValueError, match="1 ids for 2 texts"):
        lexical_diversity(["a", "b"], ids(1))
