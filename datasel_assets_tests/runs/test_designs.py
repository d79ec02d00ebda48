"""Designs of series of trainings, and the rows that each training reads."""

import numpy as np
import pytest

from datasel_assets.runs import designs
from datasel_assets.runs.fill import fill

SIZES = np.array([10.0, 30.0, 60.0])


def test_leaving_one_out_trains_on_all_and_without_each_unit_with_every_seed():
    design = designs.leave_one_out(SIZES, seeds=2)
    expected = [[0.1, 0.3, 0.6], [0, 1 / 3, 2 / 3], [1 / 7, 0, 6 / 7], [0.25, 0.75, 0]]
    np.testing.assert_allclose(design.shares, np.tile(expected, (2, 1)))
    assert design.subset.tolist() == [0, 1, 2, 3] * 2
    assert design.seed.tolist() == [0] * 4 + [1] * 4
    assert np.isnan(design.inclusion).all()


def test_random_subsets_take_each_unit_as_often_as_they_say_and_are_never_empty():
    design = designs.random_subsets(np.ones(6), 4000, [0.2, 0.8], 1, 0)
    taken = (design.shares > 0).mean(axis=1)
    assert taken[design.inclusion == 0.8].mean() == pytest.approx(0.8, abs=0.02)
    assert taken[design.inclusion == 0.2].mean() == pytest.approx(0.2 / (1 - 0.8**6), abs=0.02)
    np.testing.assert_allclose(design.shares.sum(axis=1), 1)


def test_probabilities_of_their_own_lie_one_in_each_stratum():
    design = designs.random_subsets(np.ones(6), 10, "uniform", 1, 0)
    assert sorted(np.floor(design.inclusion * 10).tolist()) == list(range(10))


def test_random_shares_have_those_of_the_pool_as_their_mean():
    design = designs.dirichlet(SIZES, 4000, 1.0, 1, 0)
    np.testing.assert_allclose(design.shares.mean(axis=0), SIZES / 100, atol=0.02)
    assert designs.dirichlet(SIZES, 400, 50.0, 1, 0).shares.std() < design.shares.std()


def test_one_unit_has_no_effect_that_could_be_told():
    with pytest.raises(ValueError, match="1 units are not enough"):
        designs.leave_one_out(np.ones(1), 1)


def members(*sizes: int) -> list[np.ndarray]:
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


def test_a_training_reads_of_each_unit_its_share_of_the_tokens():
    own = members(40, 50, 60)
    lengths = np.random.default_rng(0).integers(5, 15, 150)
    rows = fill(own, lengths, np.array([0.2, 0.0, 0.8]), 400, 0)
    tokens = [lengths[rows[np.isin(rows, unit)]].sum() for unit in own]
    assert tokens[1] == 0
    assert tokens[0] == pytest.approx(80, abs=15)
    assert sum(tokens) == pytest.approx(400, abs=8)
    assert len(set(rows)) == len(rows)


def test_a_unit_with_too_few_rows_gives_each_of_them_equally_often_up_to_one():
    rows = fill(members(3, 3), np.full(6, 10), np.array([0.0, 1.0]), 200, 0)
    counts = np.bincount(rows, minlength=6)
    assert counts[:3].sum() == 0
    assert sorted(counts[3:]) == [6, 7, 7]


def test_units_of_one_row_come_to_the_budget_together():
    rows = fill(members(*[1] * 50), np.full(50, 10), np.full(50, 0.02), 650, 0)
    assert abs(10 * len(rows) - 650) <= 10
    assert np.bincount(rows, minlength=50).min() >= 1


def test_two_trainings_of_one_seed_share_their_rows_as_far_as_their_shares_go():
    own, lengths = members(100, 100, 100), np.full(300, 10)
    whole = fill(own, lengths, np.full(3, 1 / 3), 900, 5)
    without = fill(own, lengths, np.array([0.5, 0.5, 0]), 900, 5)
    assert set(whole[whole < 200]) <= set(without)
    other = fill(own, lengths, np.full(3, 1 / 3), 900, 6)
    assert len(set(whole) & set(other)) < 60


def test_no_shares_are_no_rows():
    assert len(fill(members(2, 2), np.full(4, 9), np.zeros(2), 100, 0)) == 0
