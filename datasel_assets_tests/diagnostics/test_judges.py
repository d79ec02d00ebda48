"""Figures about judges against scipy and closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from datasel_assets.diagnostics import judges
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


def test_two_judges_with_the_same_grades_agree_and_one_who_is_stricter_agrees_less():
    grades = np.array([1.0, 2, 3, 4, 5, np.nan])
    assert judges.alpha(grades, grades) == pytest.approx(1)
    # Six grades of each, one apart: the observed disagreement is 1, the expected one that of all pairs of grades.
    stricter = grades - 1
    every = np.concatenate([grades[:5], stricter[:5]])
    expected = np.subtract.outer(every, every) ** 2
    assert judges.alpha(grades, stricter) == pytest.approx(1 - 1 / (expected.sum() / (10 * 9)))
    assert judges.correlation(grades, stricter) == pytest.approx(1)


def test_agreement_on_a_fine_scale_is_not_told():
    fine = np.linspace(0, 1, 100)
    assert np.isnan(judges.alpha(fine, fine))
