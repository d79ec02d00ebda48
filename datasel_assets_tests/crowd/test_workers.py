import numpy as np
import pytest
from scipy.stats import beta

from datasel_assets.crowd.answers import Answers
from datasel_assets.crowd.workers import golden_counts, is_blocked, lowest_quality, quality_interval


def test_golden_tasks_are_counted_and_others_are_not():
    answers = Answers([0, 1, 2, 0, 2], [0, 0, 0, 1, 1], [1, 0, 1, 0, 0], 3, 3, 2, np.array([1, 1, -1]))
    right, wrong = golden_counts(answers)
    np.testing.assert_array_equal(right, [1, 0, 0])
    np.testing.assert_array_equal(wrong, [1, 1, 0])


def test_nothing_known_is_a_half_with_everything_possible():
    mean, low, high = quality_interval(np.array([0]), np.array([0]))
    np.testing.assert_allclose([mean[0], low[0], high[0]], [0.5, 0.025, 0.975])


def test_the_interval_holds_its_share_of_workers():
    """Of workers whose accuracy is drawn from the prior, 95 % lie in the interval of their counts."""
    draw = np.random.default_rng(0)
    quality = draw.uniform(size=4000)
    right = draw.binomial(20, quality)
    _, low, high = quality_interval(right, 20 - right)
    assert np.mean((low <= quality) & (quality <= high)) == pytest.approx(0.95, abs=0.015)


def test_a_worker_is_blocked_once_guessing_is_all_but_certain():
    """P(q < 0.6) after w wrong answers and a uniform prior is 1 - 0.4 ** (w + 1): above .95 from 3 on."""
    assert lowest_quality(2) == 0.6
    np.testing.assert_allclose(beta.cdf(0.6, 1, 3), 1 - 0.4**3)
    np.testing.assert_array_equal(is_blocked(np.zeros(5), np.arange(5), 2), [False, False, False, True, True])


def test_a_good_worker_with_a_bad_day_is_kept():
    assert not is_blocked(np.array([15]), np.array([5]), 2)[0]
