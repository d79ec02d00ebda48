"""Lines through costs, against lines that are known."""

import numpy as np
import pytest

from datasel_assets.costs.line import fit_line


def test_a_line_is_found_again():
    line = fit_line([1, 2, 5, 20], [3 + 0.5 * x for x in (1, 2, 5, 20)])
    np.testing.assert_allclose([line.fixed, line.rate], [3, 0.5])
    assert line.at(100) == pytest.approx(53)


def test_costs_that_would_begin_below_zero_have_no_fixed_part():
    line = fit_line([10, 20], [1, 4])
    assert line.fixed == 0
    assert 1 / 10 < line.rate < 4 / 20


def test_costs_that_fall_with_the_work_are_taken_for_fixed():
    line = fit_line([1, 10], [2.0, 1.0])
    assert line.rate == 0
    assert 1 < line.fixed < 2


def test_one_size_says_nothing_about_a_fixed_cost():
    assert fit_line([4, 4], [8, 8]).at(8) == pytest.approx(16)


def test_costs_without_their_works_are_refused():
    with pytest.raises(ValueError, match="2 amounts of work for 1 costs"):
        fit_line([1, 2], [1])
    with pytest.raises(ValueError, match="one at least"):
        fit_line([], [])
