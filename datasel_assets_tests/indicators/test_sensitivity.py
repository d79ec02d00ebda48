"""Sensitivity of rows, against the formula written out and the draw that it is made for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.indicators.sensitivity import sensitivity

NAN = float("nan")


def test_the_loss_is_that_of_the_row_nearest_to_the_centre():
    clusters = np.array([0, 0, 0, 1, 1])
    distance = np.array([0.3, 0.1, 0.2, 0.5, 0.5])
    loss = np.array([9.0, 2.0, 7.0, 4.0, 5.0])
    expected = np.log([2 + 3 * 0.6, 2 + 3 * 0.2, 2 + 3 * 0.4, 4 + 3 * 1.0, 4 + 3 * 1.0])
    np.testing.assert_allclose(sensitivity(clusters, distance, loss, 3.0), expected)


@given(st.lists(st.tuples(st.integers(-1, 3), st.floats(0, 1), st.one_of(st.floats(0, 5), st.just(NAN))), max_size=20))
def test_it_is_the_formula_row_by_row(rows: list[tuple[int, float, float]]):
    clusters = np.array([r[0] for r in rows], np.int64)
    distance, loss = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    found = sensitivity(clusters, distance, loss, 0.5)
    for i, (cluster, away, _) in enumerate(rows):
        near = [(d, k) for k, (c, d, value) in enumerate(rows) if c == cluster and not np.isnan(value)]
        if cluster < 0 or not near or loss[min(near)[1]] + away == 0:
            assert np.isnan(found[i])
        else:
            assert found[i] == pytest.approx(np.log(loss[min(near)[1]] + 0.5 * 2 * away))


def test_a_row_nearer_to_the_centre_without_loss_is_passed_over():
    found = sensitivity(np.zeros(3, int), np.array([0.0, 0.1, 0.2]), np.array([NAN, 1.0, 8.0]), 0.0)
    np.testing.assert_allclose(found, 0.0)


def test_rows_without_cluster_or_loss_have_no_score():
    found = sensitivity(np.array([-1, 0, 1]), np.array([NAN, 0.1, 0.1]), np.array([1.0, NAN, 1.0]))
    assert np.isnan(found).tolist() == [True, True, False]
    assert np.isnan(sensitivity(np.array([-1]), np.array([NAN]), np.array([1.0]))).all()


def test_a_loss_below_zero_is_refused_by_name_of_the_cluster():
    with pytest.raises(ValueError, match=r"centre of cluster 2 is -1: a loss is not negative"):
        sensitivity(np.array([2, 0]), np.array([0.1, 0.1]), np.array([-1.0, 1.0]))
