"""Random draws as a unit: against closed forms, and against draws of a known distribution."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics.measures import Measure
from datasel_assets.diagnostics.spread import NO_DRAWS, Spread, gains, random_draws
from datasel_assets.samplers import random as random_sampler
from datasel_assets.samplers.candidates import Candidates

HIGH, LOW, PLAIN = (Measure(name, name, better, "") for name, better in (("a", "high"), ("b", "low"), ("c", None)))
DRAWS = pl.DataFrame({"a": [1.0, 2, 3], "b": [10.0, 10, 10], "c": [1.0, 2, 3], "d": [1.0, None, 2]})


def test_the_spread_is_mean_and_standard_deviation_and_leaves_out_what_says_nothing():
    found = Spread.of(DRAWS, ["a", "b", "c", "d", "absent"])
    assert (found.draws, found.mean, found.deviation) == (3, {"a": 2, "c": 2}, {"a": 1, "c": 1})
    assert Spread.of(DRAWS.head(2), ["a"]) == NO_DRAWS


def test_a_gain_is_positive_where_the_value_is_better_whichever_way_the_measure_runs():
    spread = Spread(10, {"a": 2.0, "b": 2.0, "c": 2.0}, {"a": 0.5, "b": 0.5, "c": 0.5})
    assert spread.gain(HIGH, 3.0) == 2
    assert spread.gain(LOW, 3.0) == -2
    assert spread.gain(PLAIN, 3.0) is None
    assert spread.gain(HIGH, None) is None
    assert spread.gain(HIGH, float("nan")) is None
    figures = pl.DataFrame({"recipe": ["x", "y"], "a": [3.0, None], "b": [1.0, 2.0]})
    assert gains(figures, spread, {"a": HIGH, "b": LOW}) == {"x": {"a": 2, "b": 2}, "y": {"b": 0}}


def test_without_draws_nothing_is_beyond_chance_and_nothing_is_a_gain():
    assert NO_DRAWS.chance() == np.inf
    assert NO_DRAWS.gain(HIGH, 1.0) is None


@pytest.mark.parametrize("best_of", [1, 26])
def test_one_time_in_twenty_chance_is_passed_by_the_furthest_of_so_many_draws(best_of: int):
    """The oracle is simulation: ten draws tell the unit, the furthest of ``best_of`` more lies beyond it at times."""
    values = np.random.default_rng(0).standard_normal((4000, 10 + best_of))
    unit, more = values[:, :10], values[:, 10:]
    distance = np.abs(more - unit.mean(axis=1, keepdims=True)).max(axis=1) / unit.std(axis=1, ddof=1)
    passed = (distance > Spread(10).chance(best_of)).mean()
    assert passed == pytest.approx(0.05, abs=0.015) if best_of == 1 else passed < 0.065


def test_a_draw_is_what_the_random_recipe_takes_with_that_seed():
    ids = np.array([f"row{i:03}" for i in range(50)])
    draws = random_draws(ids[::-1], 7)
    assert len(draws) == 10
    assert all(len(set(found)) == 7 for found in draws.values())
    of_sampler = random_sampler.sample(Candidates(ids), 7, random_sampler.Params(), 3)
    assert ids[of_sampler.order].tolist() == draws["random 3"].tolist()
    assert random_draws(ids, 50) == random_draws(ids, 0) == {}
