import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.arrays.weights import effective_rows, mean_one, whole_copies

weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=30).map(np.array)


@given(weights)
def test_scaled_weights_have_mean_one_and_keep_their_proportions(values):
    scaled = mean_one(values)
    assert scaled.mean() == pytest.approx(1)
    if values.sum() > 0:
        assert scaled * values.sum() == pytest.approx(values * len(values), rel=1e-9, abs=1e-300)


def test_k_equal_weights_among_zeros_are_worth_k_rows():
    assert effective_rows(np.array([3.0, 3, 0, 0, 3])) == pytest.approx(3)
    assert effective_rows(np.array([])) == 0


@given(weights, st.integers(0, 2**63 - 1))
def test_copies_are_the_weight_rounded_up_or_down_and_never_none_at_all(values, seed):
    ids = [f"row {i}" for i in range(len(values))]
    scaled = mean_one(values)
    copies = whole_copies(ids, values, None, seed)
    assert ((copies == np.floor(scaled)) | (copies == np.ceil(scaled)) | np.isclose(copies, scaled)).all()
    assert copies.sum() > 0
    assert (whole_copies(ids, values, 2, seed) == np.minimum(copies, 2)).all()


def test_the_mean_number_of_copies_over_seeds_is_the_weight():
    values = np.array([0.1, 0.5, 1.0, 1.7, 1.7])
    ids = [f"row {i}" for i in range(5)]
    mean = np.mean([whole_copies(ids, values, None, seed) for seed in range(4000)], axis=0)
    assert mean == pytest.approx(mean_one(values), abs=4 * 0.5 / np.sqrt(4000))


def test_copies_go_by_the_row_id_and_not_by_the_place():
    values, ids = np.linspace(0.2, 3, 40), np.array([f"row {i}" for i in range(40)])
    copies = whole_copies(ids, values, 5, 3)
    turned = np.random.default_rng(0).permutation(40)
    assert (whole_copies(ids[turned], values[turned], 5, 3) == copies[turned]).all()
