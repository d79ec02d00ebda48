"""Bins of rows, filled one after the other and drawn from in turn."""

import numpy as np
import pytest
from pydantic import ValidationError

from datasel_assets.samplers import Candidates, Sample, rounds


def pool(scores: list[float]) -> Candidates:
    return Candidates(row_ids=np.array([f"r{i:02d}" for i in range(len(scores))]), scores=np.array(scores))


def run(candidates: Candidates, budget: int, seed: int = 0, **params) -> Sample:
    given = {"inner": {"sampler": "topk", "by": "n_chars"}, **params}
    return rounds.sample(candidates, budget, rounds.Params.model_validate(given), seed)


def test_in_order_the_bins_of_a_score_are_its_ranking():
    scores = [3.0, 9.0, 1.0, 7.0, 5.0]
    assert run(pool(scores), 5, rounds=2, draw="in_order").order.tolist() == [1, 3, 4, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_equal_draws_take_as_many_rows_from_every_bin_as_any_other(seed):
    scores = np.arange(40.0)[::-1].tolist()
    chosen = run(pool(scores), 12, seed, rounds=4).order
    assert np.bincount(chosen // 10, minlength=4).tolist() == [3, 3, 3, 3]


def test_the_draw_inside_a_bin_is_uniform():
    scores = np.arange(20.0)[::-1].tolist()
    first = [run(pool(scores), 1, seed, rounds=2).order[0] for seed in range(400)]
    counts = np.bincount(first, minlength=20)
    assert counts[10:].sum() == 0  # the first turn is the first bin's
    # 400 draws over 10 rows: chi-square with 9 degrees of freedom stays below 33.7 with probability 0.9999.
    assert ((counts[:10] - 40) ** 2 / 40).sum() < 33.7


def test_rows_that_do_not_divide_evenly_fall_to_the_last_bin_and_none_is_lost():
    chosen = run(pool(np.arange(11.0).tolist()), 11, rounds=4)
    assert sorted(chosen.order.tolist()) == list(range(11))


def test_rows_that_the_inner_sampler_leaves_out_come_last():
    inner = {"sampler": "band", "by": "n_chars", "low": 2, "high": 5}
    chosen = run(pool(np.arange(8.0).tolist()), 8, rounds=2, draw="in_order", inner=inner)
    assert set(chosen.order[:3].tolist()) == {2, 3, 4}
    assert chosen.order[3:].tolist() == [0, 1, 5, 6, 7]
    assert np.isnan(chosen.scores[3:]).all()


@pytest.mark.parametrize(
    "inner",
    [
        {"sampler": "topk", "by": "n_chars", "tau": 1, "weights": "unbiased"},
        {"sampler": "topk", "by": "n_chars", "tau": 1, "replace": True},
        {"sampler": "match_mean", "weights": True},
    ],
)
def test_weights_that_would_be_lost_are_refused(inner):
    with pytest.raises(ValidationError, match=f"the weights of {inner['sampler']} belong to the rows of one bin"):
        rounds.Params.model_validate({"inner": inner})
