import math
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from datasel_assets.indicators.text import lexical_diversity
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import random_words

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lexicalrichness import LexicalRichness

LENGTHS = (1, 2, 5, 41, 42, 43, 49, 50, 51, 99, 100, 137, 400)
ROWS = [random_words(seed, words, 40 + 3 * seed) for seed, words in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def batch() -> TextBatch:
    return TextBatch([" ".join(row) for row in ROWS])


def reference(row: list[str]) -> LexicalRichness:
    return LexicalRichness(list(row), preprocessor=None, tokenizer=None)


@pytest.mark.parametrize(
    ("name", "fewest", "oracle"),
    [
        ("ttr", 1, lambda r: r.ttr),
        ("root_ttr", 1, lambda r: r.rttr),
        ("herdan_c", 2, lambda r: r.Herdan),
        ("maas", 2, lambda r: r.Maas),
        ("mattr", 50, lambda r: r.mattr(50)),
        ("mtld", 1, lambda r: r.mtld(0.72)),
        ("hdd", 42, lambda r: r.hdd(42)),
    ],
)
def test_values_equal_lexicalrichness(batch: TextBatch, name: str, fewest: int, oracle):
    expected = [oracle(reference(row)) if len(row) >= fewest else np.nan for row in ROWS]
    np.testing.assert_allclose(getattr(lexical_diversity, name)(batch), expected, rtol=0, atol=1e-9)


def test_segments_equal_lexicalrichness_where_it_does_not_lose_the_last_one(batch: TextBatch):
    found = lexical_diversity.msttr(batch)
    for value, row in zip(found, ROWS, strict=True):
        if len(row) > 50 and len(row) % 50:
            assert value == pytest.approx(reference(row).msttr(50), abs=1e-12)


def test_a_full_last_segment_counts():
    row = random_words(3, 100, 30)
    expected = np.mean([len(set(row[:50])) / 50, len(set(row[50:])) / 50])
    assert lexical_diversity.msttr(TextBatch([" ".join(row)]))[0] == pytest.approx(expected, abs=1e-12)


def test_vocd_is_the_least_squares_curve_through_exact_expectations(batch: TextBatch):
    sizes = np.arange(35, 51)
    for value, row in zip(lexical_diversity.vocd_d(batch), ROWS, strict=True):
        if len(row) < 50:
            assert np.isnan(value)
            continue
        target = np.array([reference(row).hdd(int(size)) for size in sizes])

        def loss(log_d: float, target: np.ndarray = target) -> float:
            d = math.exp(log_d)
            return float(((d / sizes * (np.sqrt(1 + 2 * sizes / d) - 1) - target) ** 2).sum())

        best = minimize_scalar(loss, bounds=(-5, 12), method="bounded", options={"xatol": 1e-12})
        assert value == pytest.approx(math.exp(best.x), rel=1e-5)
        assert loss(math.log(value)) <= best.fun + 1e-15


def test_vocd_is_within_noise_of_the_sampled_value():
    row = random_words(1, 400, 200)
    value = lexical_diversity.vocd_d(TextBatch([" ".join(row)]))[0]
    assert value == pytest.approx(reference(row).vocd(50, 40, 2, 42), rel=0.04)


def test_all_words_distinct_is_the_upper_end():
    batch = TextBatch([" ".join(f"w{k}" for k in range(60))])
    values = {name: getattr(lexical_diversity, name)(batch)[0] for name in ("ttr", "hdd", "mattr", "msttr", "herdan_c")}
    assert values == dict.fromkeys(values, 1.0)
    assert lexical_diversity.maas(batch)[0] == 0
    assert lexical_diversity.mtld(batch)[0] == 60
    assert lexical_diversity.mtld_w(batch)[0] == 60
    assert np.isnan(lexical_diversity.vocd_d(batch)[0])


def test_one_word_repeated_is_the_lower_end():
    batch = TextBatch(["a " * 60])
    assert lexical_diversity.ttr(batch)[0] == pytest.approx(1 / 60)
    assert lexical_diversity.hdd(batch)[0] == pytest.approx(1 / 42, abs=1e-12)
    assert lexical_diversity.mattr(batch)[0] == pytest.approx(1 / 50)
    assert lexical_diversity.mtld(batch)[0] == pytest.approx(2)
    assert lexical_diversity.mtld_w(batch)[0] == pytest.approx(10)


def naive_wrapped(words: list[str]) -> float:
    lengths = []
    for start in range(len(words)):
        turned = words[start:] + words[:start]
        closed = [k for k in range(10, len(words) + 1) if len(set(turned[:k])) / k <= 0.72]
        whole = len(set(words)) / len(words)
        lengths.append(closed[0] if closed else len(words) * 0.28 / (1 - whole) if whole < 1 else len(words))
    return float(np.mean(lengths))


def test_wrapped_factors_are_read_in_a_circle(batch: TextBatch):
    expected = [naive_wrapped(row) for row in ROWS]
    np.testing.assert_allclose(lexical_diversity.mtld_w(batch), expected, rtol=1e-12)


def test_turning_the_text_leaves_the_wrapped_value():
    row = random_words(5, 120, 60)
    batch = TextBatch([" ".join(row), " ".join(row[37:] + row[:37])])
    first, second = lexical_diversity.mtld_w(batch)
    assert first == pytest.approx(second, rel=1e-12)


def test_distinct_pairs_are_counted_over_words():
    batch = TextBatch(["a b a b a", "a b c", "a", ""])
    np.testing.assert_allclose(lexical_diversity.distinct_2(batch), [2 / 5, 2 / 3, np.nan, np.nan])
    np.testing.assert_array_equal(lexical_diversity.distinct_1(batch), lexical_diversity.ttr(batch))
