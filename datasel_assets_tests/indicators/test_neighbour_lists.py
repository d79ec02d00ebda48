"""Lists of neighbours when rows come and go, and the family of scores that follows from them."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.arrays.nearest_neighbours import nearest_neighbours
from datasel_assets.indicators import neighbours as maths
from datasel_assets.indicators.neighbour_lists import carried_over

LISTS = pl.DataFrame(
    {
        "row_id": ["b", "d", "f"],
        "neighbours": pl.Series([[1, 2], [0, 2], [1, -1]], dtype=pl.Array(pl.Int32, 2)),
        "distances": pl.Series([[0.1, 0.2], [0.1, 0.3], [0.3, float("nan")]], dtype=pl.Array(pl.Float32, 2)),
    }
)


def test_lists_of_the_same_rows_stay_as_they_are():
    is_new, found = carried_over(LISTS, LISTS["row_id"], 0.9)
    assert not is_new.any()
    assert found.index.tolist() == [[1, 2], [0, 2], [1, -1]]
    np.testing.assert_array_equal(found.distance, LISTS["distances"].to_numpy())
    assert (found.recall, found.searched) == (0.9, 0)


def test_rows_that_came_move_the_positions_of_the_others():
    is_new, found = carried_over(LISTS, pl.Series(["a", "b", "c", "d", "f"]), 1.0)
    assert is_new.tolist() == [True, False, True, False, False]
    assert found.index[[1, 3, 4]].tolist() == [[3, 4], [1, 4], [3, -1]]
    assert (found.index[is_new] == -1).all()
    assert np.isnan(found.distance[is_new]).all()


def test_a_neighbour_that_left_is_told_by_its_distance():
    is_new, found = carried_over(LISTS, pl.Series(["b", "f"]), 1.0)
    assert not is_new.any()
    assert found.index.tolist() == [[-1, 1], [-1, -1]]
    np.testing.assert_allclose(found.distance, [[0.1, 0.2], [0.3, np.nan]])


def test_a_pool_of_other_rows_is_new_altogether():
    is_new, found = carried_over(LISTS, pl.Series(["x"]), 1.0)
    assert is_new.tolist() == [True]
    assert found.index.tolist() == [[-1, -1]]


def test_each_score_of_the_family_is_made_of_what_it_names():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distance, away = nearest_neighbours(vectors).distance, rng.random(30)
    found = maths.neighbour_scores(distance=distance, cosine_distance=away, vectors=vectors)
    assert list(found) == list(maths.NEIGHBOURS)
    np.testing.assert_allclose(found["nearest_distance"], distance[:, 0])
    np.testing.assert_allclose(found["knn_distance"], distance[:, 5])
    np.testing.assert_allclose(found["mean_neighbour_distance"], distance.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["centroid_distance"], np.sqrt(2 * away))
    np.testing.assert_array_equal(found["row_variance"], maths.row_variance(vectors))


def test_a_score_whose_input_is_not_given_is_an_error():
    with pytest.raises(KeyError, match="cosine_distance"):
        maths.neighbour_scores(distance=np.zeros((2, 10)), vectors=np.zeros((2, 3)))
