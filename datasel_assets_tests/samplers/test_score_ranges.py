"""Equal shares of the ranges of a score."""

import numpy as np

from datasel_assets.samplers import Candidates
from datasel_assets.samplers.score_ranges import Params, sample


def pool_of(scores: np.ndarray) -> Candidates:
    return Candidates(np.array([f"{i:04d}" for i in range(len(scores))]), scores=scores)


def test_crowded_ranges_give_no_more_than_sparse_ones_and_these_are_taken_whole():
    """90 rows in [0, 1), 6 in [1, 2), 4 in [2, 3]: of 30 rows 4 and 6 are all there is, and 20 are left."""
    scores = np.concatenate([np.linspace(0, 0.99, 90), np.linspace(1.01, 1.9, 6), np.linspace(2.1, 3, 4)])
    found = sample(pool_of(scores), 30, Params(by="x", ranges=3), 0)
    assert np.bincount((scores[found.order] // 1.000001).astype(int)).tolist() == [20, 6, 4]
    assert set(found.order) >= set(range(90, 100))


def test_inside_a_range_the_draw_is_random_by_seed():
    scores = np.linspace(0, 1, 1000)
    first, again, other = (set(sample(pool_of(scores), 50, Params(by="x", ranges=1), s).order) for s in (1, 1, 2))
    assert first == again != other
    assert abs(np.mean(list(first)) - 500) < 150


def test_equal_scores_are_one_range():
    assert len(sample(pool_of(np.ones(5)), 3, Params(by="x"), 0).order) == 3
