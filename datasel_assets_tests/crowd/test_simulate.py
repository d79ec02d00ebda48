from dataclasses import replace

import numpy as np
import pytest

from datasel_assets.crowd.simulate import Crowd, Policy, simulate

SEEDS = range(6)


def mean(policy: Policy, figure: str, crowd: Crowd = Crowd(), n_tasks: int = 120, **options) -> float:  # noqa: B008
    return float(np.mean([getattr(simulate(policy, crowd, n_tasks, seed=s, **options), figure) for s in SEEDS]))


def test_one_seed_is_one_outcome():
    assert simulate(Policy(), Crowd(), 60, seed=3) == simulate(Policy(), Crowd(), 60, seed=3)
    assert simulate(Policy(), Crowd(), 60, seed=3) != simulate(Policy(), Crowd(), 60, seed=4)


def test_three_answers_each_are_paid_three_times_and_nothing_is_late():
    found = simulate(Policy(per_task=3, price=0.04), Crowd(), 60)
    assert (found.answers, found.paid, found.late) == (180, 180, 0)
    assert found.cost == pytest.approx(7.2)


def test_workers_who_never_err_are_always_right():
    assert simulate(Policy(per_task=1, truth="majority"), Crowd(right=(1e9, 1)), 60, n_classes=4).accuracy == 1


def test_more_answers_are_righter_and_dearer():
    assert mean(Policy(per_task=5), "accuracy") > mean(Policy(per_task=1), "accuracy")
    assert mean(Policy(per_task=5), "hours") > mean(Policy(per_task=1), "hours")


def test_stopping_when_sure_saves_answers():
    until = Policy(per_task=7, certainty=0.95)
    assert mean(until, "paid") < mean(replace(until, certainty=None), "paid")
    assert mean(until, "accuracy") > mean(Policy(per_task=1), "accuracy")


def test_golden_tasks_send_guessers_away():
    guessers = Crowd(right=(2, 2))
    watched = Policy(per_task=3, golden_rate=0.3)
    assert mean(watched, "blocked", guessers) > 0
    assert mean(replace(watched, golden_rate=0), "blocked", guessers) == 0
    assert mean(watched, "paid", guessers) > 360


def test_stragglers_are_overtaken_when_their_tasks_are_given_out_again():
    slow = Crowd(spread=2.0, per_hour=200)
    assert mean(Policy(replicate_after=0.5), "hours", slow) < mean(Policy(), "hours", slow)
    assert mean(Policy(replicate_after=0.5), "late", slow) > 0


def test_twice_as_many_workers_take_less_time():
    assert mean(Policy(), "hours", Crowd(per_hour=60)) < mean(Policy(), "hours", Crowd(per_hour=5))
