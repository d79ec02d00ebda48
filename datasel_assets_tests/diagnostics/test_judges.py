"""Figures about judges against scipy and closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from datasel_assets.diagnostics.judges import correlation, correlation_given, ties


def test_correlations_of_ranks_are_those_of_scipy_and_length_is_taken_out():
    generator = np.random.default_rng(0)
    length = generator.normal(size=500)
    a, b = length + 0.1 * generator.normal(size=500), length + 0.1 * generator.normal(size=500)
    assert correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert correlation(a, b) > 0.9
    assert abs(correlation_given(a, b, length)) < 0.15
    assert math.isnan(correlation(a, np.ones(500)))


def test_ties_are_counted_among_known_values():
    assert ties(np.array([1.0, 1, 1, 2, np.nan])) == (2, 0.75)
