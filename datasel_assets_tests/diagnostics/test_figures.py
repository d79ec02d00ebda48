"""Overlap, coverage, profile and nearest-neighbour figures against closed forms and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.diagnostics.coverage import Coverage, coverage
from datasel_assets.diagnostics.nearest import mean_nearest, nearest_distances
from datasel_assets.diagnostics.overlap import jaccard, jaccard_matrix
from datasel_assets.diagnostics.profile import profile


@given(st.lists(st.sets(st.sampled_from("abcdefgh")), max_size=5))
def test_jaccard_is_the_share_of_common_ids(sets):
    found = jaccard_matrix({str(i): sorted(ids) for i, ids in enumerate(sets)})
    for i, a in enumerate(sets):
        for j, b in enumerate(sets):
            assert found[i, j] == pytest.approx(len(a & b) / len(a | b) if a | b else 1.0)


def test_an_id_given_twice_counts_once():
    assert jaccard(["a", "a", "b"], ["a"]) == 0.5
    assert jaccard_matrix({}).shape == (0, 0)


def test_coverage_counts_groups_with_a_row():
    found = coverage(np.array([0, 0, 3, 3, -1]), 5)
    assert (found.groups, found.covered, found.share) == (5, 2, 0.4)
    assert found.effective == pytest.approx(2)
    assert coverage(np.array([], int), 4) == Coverage(4, 0, 0.0)
    assert math.isnan(coverage(np.array([], int), 0).share)
    with pytest.raises(ValueError, match="label 5 for 5 groups"):
        coverage(np.array([5]), 5)


def test_a_profile_knows_quantiles_totals_and_what_is_missing():
    found = profile(np.array([*range(101), np.nan]))
    assert (found.rows, found.missing, found.total, found.mean) == (101, 1, 5050, 50)
    assert (found.low, found.q05, found.q25, found.median) == (0, 5, 25, 50)
    assert (found.q75, found.q95, found.high) == (75, 95, 100)
    nothing = profile(np.array([np.nan])).as_dict()
    assert (nothing["rows"], nothing["missing"], nothing["total"]) == (0, 1, 0)
    assert math.isnan(nothing["median"])


def points(n: int, d: int = 6) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n", [2, 3, 1023, 1025, 2500])
def test_nearest_distances_are_those_of_brute_force(n):
    X = points(n)
    cosines = X.astype(np.float64) @ X.astype(np.float64).T
    np.fill_diagonal(cosines, -np.inf)
    np.testing.assert_allclose(nearest_distances(X), 1 - cosines.max(axis=1), atol=1e-6)


def test_orthogonal_rows_lie_one_apart_and_copies_nowhere():
    ids = [str(i) for i in range(6)]
    assert mean_nearest(np.eye(6, dtype=np.float32), ids).mean == 1
    assert mean_nearest(np.repeat(points(3), 2, axis=0), ids).mean == pytest.approx(0, abs=1e-6)
    opposite = np.array([[1, 0], [-1, 0]], np.float32)
    assert mean_nearest(opposite, ["a", "b"]).mean == 2


@pytest.mark.parametrize("n", [0, 1])
def test_a_row_alone_has_no_neighbour(n):
    found = mean_nearest(points(n), ["a"] * n)
    assert math.isnan(found.mean)
    assert np.isnan(nearest_distances(points(n))).all()
    assert found.rows == n


def test_zero_rows_have_no_distance():
    X = np.vstack([np.zeros((2, 6), np.float32), np.eye(6, dtype=np.float32)])
    found = mean_nearest(X, [str(i) for i in range(8)])
    assert (found.mean, found.rows, found.used, found.left_out) == (1, 6, 6, 2)


def test_a_large_set_is_cut_to_a_hash_sample_that_ignores_order_and_says_so():
    X, ids = points(500), np.array([f"{i:032x}" for i in range(500)])
    turned = np.random.default_rng(1).permutation(500)
    cut, same = mean_nearest(X, ids, max_rows=100), mean_nearest(X[turned], ids[turned], max_rows=100)
    assert cut.mean == pytest.approx(same.mean, rel=1e-6)
    assert (cut.used, cut.rows, cut.sampled) == (100, 500, True)
    assert not mean_nearest(X, ids).sampled
    assert cut.mean > mean_nearest(X, ids).mean
    with pytest.raises(ValueError, match="3 ids for 500 rows"):
        mean_nearest(X, ids[:3])
