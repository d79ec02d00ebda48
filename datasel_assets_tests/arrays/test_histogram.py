import numpy as np
import pytest

from datasel_assets.arrays.histogram import BINS, bins_of


def test_whole_numbers_of_a_short_range_have_a_bin_each():
    values = np.array([1, 2, 2, 5, np.nan])
    assert bins_of(values).counts(values).tolist() == [1, 2, 0, 0, 1]


def test_every_known_value_falls_into_a_bin_and_nothing_else_does():
    values = np.append(np.random.default_rng(0).standard_cauchy(5000), [np.nan, np.inf])
    bins = bins_of(values)
    assert (bins.below, bins.above) == (True, True)
    assert bins.counts(values).sum() == 5000
    assert len(bins.edges) == BINS + 1


def test_a_few_far_values_do_not_press_the_others_into_one_bin():
    values = np.append(np.linspace(0, 1, 1000), 1e9)
    assert (bins_of(values).counts(values) > 10).all()


@pytest.mark.parametrize("values", [[], [np.nan], [3.25], [0.0, 0.0]])
def test_a_column_of_one_value_or_none_has_a_bin(values):
    bins = bins_of(np.array(values))
    assert bins.counts(np.array(values)).sum() == np.isfinite(values).sum()
    assert (np.diff(bins.edges) > 0).all()
