import numpy as np
import pytest

from datasel_assets.clusters.projection import project_2d


def test_axes_are_those_of_scikit_learn_with_the_largest_entry_positive():
    from sklearn.decomposition import PCA

    X = np.random.default_rng(0).standard_normal((200, 12)) * np.linspace(3, 0.2, 12)
    found, oracle = project_2d(X), PCA(2).fit(X)
    np.testing.assert_allclose(np.abs((found.axes * oracle.components_).sum(axis=1)), 1, atol=1e-9)
    assert (found.axes[[0, 1], np.abs(found.axes).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(found.explained, oracle.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(oracle.transform(X)), atol=1e-5)


def test_a_weight_counts_as_copies():
    X = np.random.default_rng(1).standard_normal((30, 5))
    weights = np.random.default_rng(2).integers(0, 4, 30)
    by_weight, by_copies = project_2d(X, weights), project_2d(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(by_weight.axes, by_copies.axes, atol=1e-9)
    np.testing.assert_allclose(by_weight.explained, by_copies.explained, atol=1e-12)
    np.testing.assert_allclose(by_weight.mean, by_copies.mean, atol=1e-12)


def test_other_rows_land_in_the_same_picture():
    X = np.random.default_rng(3).standard_normal((50, 7))
    found = project_2d(X)
    np.testing.assert_allclose(found.place(X[10:20]), found.coordinates[10:20], atol=1e-6)


def test_the_order_of_rows_does_not_turn_the_picture():
    X = np.random.default_rng(4).standard_normal((50, 7))
    turned = np.random.default_rng(5).permutation(50)
    np.testing.assert_allclose(project_2d(X).coordinates[turned], project_2d(X[turned]).coordinates, atol=1e-6)


@pytest.mark.parametrize(
    ("X", "explained"),
    [
        (np.zeros((0, 3)), [0, 0]),
        (np.ones((1, 3)), [0, 0]),
        (np.ones((5, 3)), [0, 0]),
        (np.array([[0.1, 0.2], [0.3, 0.6], [0.2, 0.4]]), [1, 0]),
        (np.array([[1.0], [2.0]]), [1, 0]),
    ],
)
def test_rows_that_span_less_than_a_plane_get_a_flat_axis(X, explained):
    found = project_2d(X)
    assert found.coordinates.shape == (len(X), 2)
    assert np.isfinite(found.coordinates).all()
    np.testing.assert_allclose(found.explained, explained, atol=1e-12)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one non-negative number per row"):
        project_2d(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="one non-negative number per row"):
        project_2d(np.ones((2, 2)), np.array([1, -1]))
    with pytest.raises(ValueError, match="needs a matrix"):
        project_2d(np.ones(3))
