"""Redundancy of vectors against closed forms and the sum over pairs."""

import numpy as np
import pytest

from datasel_assets.diagnostics.redundancy import redundancy


def test_rows_on_k_equal_axes_use_k_directions_of_those_that_there_are():
    rows = np.concatenate([np.eye(5, 12), -np.eye(5, 12)])
    found = redundancy(rows)
    assert (found.rows, found.dims) == (10, 12)
    np.testing.assert_allclose(found.shares, [0.2] * 5 + [0] * 5, atol=1e-12)
    assert found.effective_rank == pytest.approx(5)
    assert found.participation_ratio == pytest.approx(5)
    assert found.first_axis_share == pytest.approx(0.2)
    assert (found.axes(0.9), found.axes(0.6), found.axes(0.99)) == (5, 3, 5)


@pytest.mark.parametrize("rows", [3, 40], ids=["fewer rows than dimensions", "more"])
def test_figures_are_those_of_the_eigenvalues_of_the_covariance_and_of_every_pair(rows):
    vectors = np.random.default_rng(0).standard_normal((rows, 7)) * np.arange(1, 8) + 3
    found = redundancy(vectors)
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1][: min(rows, 7)]
    shares = values / values.sum()
    np.testing.assert_allclose(found.shares, shares, atol=1e-12)
    used = shares[shares > 1e-12]
    assert found.effective_rank == pytest.approx(np.exp(-(used * np.log(used)).sum()))
    assert found.participation_ratio == pytest.approx(values.sum() ** 2 / (values**2).sum())
    for given, mean in ((vectors, found.mean_cosine), (vectors - vectors.mean(0), found.mean_cosine_centred)):
        unit = given / np.linalg.norm(given, axis=1, keepdims=True)
        pairs = [unit[i] @ unit[j] for i in range(rows) for j in range(rows) if i != j]
        assert mean == pytest.approx(np.mean(pairs))


def test_a_common_direction_makes_rows_alike_and_is_gone_once_they_are_centred():
    spread = np.random.default_rng(1).standard_normal((500, 20))
    found = redundancy(spread + 30)
    assert found.mean_cosine > 0.99
    assert abs(found.mean_cosine_centred) < 0.02
    assert found.effective_rank == pytest.approx(redundancy(spread).effective_rank)


def test_length_and_rotation_of_all_rows_change_nothing():
    draw = np.random.default_rng(2)
    vectors = draw.standard_normal((60, 6)) * [9, 5, 1, 1, 0.1, 0.1]
    turned, _ = np.linalg.qr(draw.standard_normal((6, 6)))
    one, other = redundancy(vectors), redundancy(7 * vectors @ turned)
    np.testing.assert_allclose(one.shares, other.shares, atol=1e-12)
    assert one.mean_cosine == pytest.approx(other.mean_cosine)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equal_rows_have_no_axis_and_are_wholly_alike(dtype):
    found = redundancy(np.full((30, 4), 0.1, dtype))
    assert (found.rows, found.effective_rank, found.participation_ratio, found.axes(0.9)) == (30, 0, 0, 0)
    assert found.mean_cosine == pytest.approx(1)
    assert np.isnan([found.mean_cosine_centred, found.first_axis_share]).all()


def test_a_row_without_a_direction_does_not_count():
    vectors = np.random.default_rng(3).standard_normal((20, 5))
    one, other = redundancy(vectors), redundancy(np.concatenate([vectors, np.zeros((9, 5))]))
    assert (one.rows, other.rows) == (20, 20)
    np.testing.assert_array_equal(one.shares, other.shares)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_pair_has_no_cosine(rows):
    found = redundancy(np.ones((rows, 3)))
    assert (found.rows, found.effective_rank) == (rows, 0)
    assert np.isnan([found.mean_cosine, found.mean_cosine_centred]).all()
