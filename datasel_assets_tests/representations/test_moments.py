"""Mergeable moments against the two-pass closed form (CRDS-T6)."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.representations import Moments, moments

MODULE = import_module("datasel_assets.representations.moments")  # the package re-exports the function of that name


def two_pass(rows):
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    return mean, (rows - mean).T @ (rows - mean)


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    return generator.standard_normal((3000, 24)) * generator.uniform(0.1, 2, 24) + 50 * generator.standard_normal(24)


@settings(max_examples=25)
@given(order=st.permutations(range(17)), left_to_right=st.booleans(), seed=st.integers(0, 2**16))
def test_seventeen_uneven_chunks_merge_to_the_one_shot_result_in_any_order_and_tree(order, left_to_right, seed, rows):
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(rows) + 1, 16))
    chunks = np.split(rows, cuts)  # repeated cuts give empty chunks
    parts = [moments(chunks[i]) if len(chunks[i]) else Moments.empty(24) for i in order]
    if left_to_right:
        merged = Moments.merge(*parts)
    else:
        while len(parts) > 1:
            parts = [Moments.merge(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
        merged = parts[0]
    mean, scatter = two_pass(rows)
    assert merged.n == len(rows)
    assert relative(merged.mean, mean) <= 1e-12
    assert relative(merged.m2, scatter) <= 1e-12


def test_single_row_chunks_merge_to_the_one_shot_result(rows):
    few = rows[:60]
    merged = Moments.merge(*(moments(few[i : i + 1]) for i in range(len(few))))
    mean, scatter = two_pass(few)
    assert relative(merged.mean, mean) <= 1e-12
    assert relative(merged.m2, scatter) <= 1e-12


def test_one_pass_in_blocks_equals_two_passes(rows, monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK_ROWS", 256)
    mean, scatter = two_pass(rows)
    found = moments(rows)
    assert relative(found.mean, mean) <= 1e-13
    assert relative(found.m2, scatter) <= 1e-12


def test_a_large_common_mean_does_not_cost_digits_in_float32():
    generator = np.random.default_rng(1)
    rows = (generator.standard_normal((5000, 32)) * 0.05 + 30).astype(np.float32)
    _, scatter = two_pass(rows)
    naive = (rows.T @ rows).astype(np.float64) - len(rows) * np.outer(rows.mean(0), rows.mean(0))
    assert relative(moments(rows).m2, scatter) < 2e-6
    assert relative(naive, scatter) > 1e-2


def test_rows_sorted_by_their_mean_do_not_cost_digits(monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK_ROWS", 256)
    generator = np.random.default_rng(2)
    drift = np.linspace(-200, 200, 4000)[:, None]
    rows = (generator.standard_normal((4000, 16)) + drift).astype(np.float32)
    _, scatter = two_pass(rows)
    assert relative(moments(rows).m2, scatter) < 1e-6


def test_a_saved_state_resumes_identically(rows):
    half = moments(rows[:1000])
    restored = Moments.from_arrays({name: array.copy() for name, array in half.to_arrays().items()})
    rest = moments(rows[1000:])
    direct, resumed = Moments.merge(half, rest), Moments.merge(restored, rest)
    assert direct.n == resumed.n
    assert direct.resolution == resumed.resolution
    np.testing.assert_array_equal(direct.mean, resumed.mean)
    np.testing.assert_array_equal(direct.m2, resumed.m2)


def test_a_merge_is_as_coarse_as_its_coarsest_part(rows):
    fine, coarse = moments(rows[:100]), moments(rows[100:200].astype(np.float16))
    assert Moments.merge(fine, coarse).resolution == coarse.resolution > fine.resolution


def test_a_value_that_is_not_finite_is_named_by_its_row(rows, monkeypatch):
    monkeypatch.setattr(MODULE, "BLOCK_ROWS", 256)
    bad = rows.copy()
    bad[777, 3] = np.nan
    with pytest.raises(ValueError, match="row 777"):
        moments(bad)


def test_moments_of_other_features_are_not_merged(rows):
    with pytest.raises(ValueError, match="24 and 5"):
        Moments.merge(moments(rows), moments(rows[:, :5]))


def test_too_many_features_are_refused_with_their_cost_and_a_way_out():
    with pytest.raises(ValueError, match=r"GiB.*rademacher"):
        moments(np.zeros((1, 20_000), dtype=np.float32))


def test_nothing_to_merge_is_an_error():
    with pytest.raises(ValueError, match="nothing to merge"):
        Moments.merge()
