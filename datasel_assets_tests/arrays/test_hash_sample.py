import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.arrays.hash_sample import hash_keys, hash_sample


def ids(n: int, salt: int = 0) -> np.ndarray:
    return np.array([f"{i * 2654435761 + salt:032x}" for i in range(n)])


def test_keys_never_change_between_releases():
    # Written down once: a change here moves every sample that users have stored.
    keys = hash_keys(["00000000000000000000000000000000", "deadbeefdeadbeefdeadbeefdeadbeef", ""], 7)
    assert [f"{int(key):016x}" for key in keys] == GOLDEN


GOLDEN = ["9567c8a219f7b5d4", "81e16fce5bee91c3", "50858203873ed679"]


def test_a_key_depends_on_the_id_and_not_on_its_neighbours_or_its_container():
    names = ["a", "bb", "a much longer identifier", "ünïcödé", "表"]
    together = hash_keys(names, 3)
    alone = np.array([hash_keys([name], 3)[0] for name in names])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, hash_keys(np.array(names), 3))
    np.testing.assert_array_equal(together, hash_keys(np.array(names, dtype=object), 3))
    np.testing.assert_array_equal(together, hash_keys(pl.Series(names), 3))


def test_keys_of_more_than_one_block_are_uniform_and_distinct():
    keys = hash_keys(ids(150_000), 0)
    assert len(np.unique(keys)) == 150_000
    counts = np.histogram(keys.astype(np.float64), bins=64, range=(0, 2.0**64))[0]
    expected = 150_000 / 64
    # Chi-squared with 63 degrees of freedom exceeds 120 with probability 2e-5; the keys are fixed.
    assert ((counts - expected) ** 2 / expected).sum() < 120


def test_seeds_give_independent_samples():
    names = ids(10_000)
    first, second = (set(hash_sample(names, 1000, seed)) for seed in (0, 1))
    assert 60 <= len(first & second) <= 140  # expectation 100
    assert set(hash_sample(names, 1000, -5)) != first


@given(st.sets(st.text(alphabet="0123456789abcdef", min_size=1, max_size=8), min_size=1, max_size=60), st.data())
def test_the_sample_does_not_depend_on_the_order_of_rows(names, data):
    names = sorted(names)
    rows = data.draw(st.integers(0, len(names) + 2))
    shuffled = data.draw(st.permutations(names))
    first = [names[i] for i in hash_sample(names, rows, 1)]
    second = [shuffled[i] for i in hash_sample(shuffled, rows, 1)]
    assert first == second
    assert len(first) == min(rows, len(names))


def test_a_smaller_sample_is_a_prefix_and_the_sample_of_a_union_lies_in_the_samples_of_its_parts():
    names = ids(5000)
    whole = hash_sample(names, 400, 2)
    np.testing.assert_array_equal(hash_sample(names, 150, 2), whole[:150])
    parts = set()
    for part in (slice(0, 1234), slice(1234, 5000)):
        parts |= set(names[part][hash_sample(names[part], 400, 2)])
    assert set(names[whole]) <= parts


def test_an_empty_pool_gives_an_empty_sample_and_a_negative_bound_is_refused():
    assert len(hash_sample([], 5, 0)) == 0
    with pytest.raises(ValueError, match="max_rows is -1"):
        hash_sample(["a"], -1, 0)
