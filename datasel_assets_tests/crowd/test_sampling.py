import math

import numpy as np
import pytest

from datasel_assets.crowd.sampling import pruning_band, rows_needed, wilson


def test_the_interval_of_wilson_solves_its_equation():
    """Its ends are the shares p at which the sample lies z standard deviations away."""
    low, high = wilson(7, 40)
    for p in (low, high):
        assert abs(7 / 40 - p) == pytest.approx(1.959963984540054 * math.sqrt(p * (1 - p) / 40))
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_half_of_all_rows_say_more_than_as_many_of_very_many():
    low, high = wilson(10, 50)
    tight_low, tight_high = wilson(10, 50, of=100)
    assert low < tight_low < 0.2 < tight_high < high
    assert wilson(10, 50, of=50) == (0.2, 0.2)


def test_the_interval_of_a_finite_pool_covers_as_often_as_it_says():
    draw, pool = np.random.default_rng(0), np.arange(400) < 120
    hits = [wilson(draw.choice(pool, 150, replace=False).sum(), 150, of=400) for _ in range(2000)]
    assert np.mean([low <= 0.3 <= high for low, high in hits]) == pytest.approx(0.95, abs=0.015)


def test_a_share_within_five_points_takes_385_rows_of_very_many_and_278_of_a_thousand():
    assert rows_needed(0.05) == 385
    assert rows_needed(0.05, of=1000) == 278
    with pytest.raises(ValueError, match="every row"):
        rows_needed(0)


def test_a_band_keeps_what_it_promises_on_pairs_that_it_has_not_seen():
    draw = np.random.default_rng(1)
    same = draw.random(40_000) < 0.3
    similarity = np.where(same, draw.beta(6, 3, 40_000), draw.beta(3, 6, 40_000))
    band = pruning_band(similarity[:2000], same[:2000], recall=0.95, precision=0.9)
    rest, told = similarity[2000:], same[2000:]
    assert (rest[told] >= band.low).mean() >= 0.95
    assert told[rest >= band.high].mean() >= 0.9
    assert band.low < band.high
    assert ((rest >= band.low) & (rest < band.high)).mean() < 0.7


def test_a_small_sample_promises_nothing():
    band = pruning_band(np.array([0.1, 0.9]), np.array([False, True]))
    assert (band.low, band.high) == (-math.inf, math.inf)
