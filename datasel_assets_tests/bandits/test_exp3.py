import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.bandits.exp3 import Exp3

EARNS = np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def earned(rounds: int, seed: int, **how: float) -> float:
    bandit, total = Exp3(7, seed=seed, **how), 0.0
    for _ in range(rounds):
        arm = bandit.choose()
        total += EARNS[arm]
        bandit.learn(2 * EARNS[arm] - 1)
    return total / rounds


@pytest.mark.parametrize(("rounds", "seeds", "golden"), [(20, 200, 0.444), (100, 100, 0.512), (1000, 25, 0.781)])
def test_one_good_arm_among_seven_earns_what_was_measured_for_lead(rounds: int, seeds: int, golden: float):
    found = [earned(rounds, seed) for seed in range(seeds)]
    assert np.mean(found) == pytest.approx(golden, abs=0.015)


def test_a_larger_step_learns_within_twenty_rounds_what_the_published_one_does_not():
    published = np.mean([earned(20, seed) for seed in range(60)])
    assert np.mean([earned(20, seed, eta=0.3) for seed in range(60)]) > published + 0.05


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(0.01, 1), st.integers(2, 9))
@settings(max_examples=50, deadline=None)
def test_every_arm_keeps_its_share_of_gamma_and_all_sum_to_one(rewards: list[float], gamma: float, arms: int):
    bandit = Exp3(arms, gamma=gamma, seed=1)
    for reward in rewards:
        bandit.choose()
        bandit.learn(reward)
    chances = bandit.probabilities()
    assert chances.sum() == pytest.approx(1)
    assert chances.min() >= gamma / arms - 1e-12


def test_large_steps_over_many_rounds_overflow_nothing():
    bandit = Exp3(2, gamma=0.5, eta=10.0)
    for _ in range(2000):
        bandit.learn(1.0 if bandit.choose() == 0 else -1.0)
    assert bandit.probabilities() == pytest.approx([0.75, 0.25])


def test_an_exhausted_arm_is_never_drawn_and_its_share_goes_to_the_others():
    bandit = Exp3(3, seed=4)
    usable = np.array([True, False, True])
    for _ in range(200):
        assert bandit.choose(usable) != 1
        bandit.learn(0.5)
    assert bandit.probabilities(usable)[1] == 0
    with pytest.raises(ValueError, match="at least of one"):
        bandit.probabilities(np.zeros(3, bool))


def test_a_bandit_that_goes_on_from_its_written_state_draws_what_it_would_have_drawn():
    whole, first = Exp3(5, seed=7), Exp3(5, seed=7)
    draws = []
    for step in range(40):
        draws.append(whole.choose())
        whole.learn((step % 3) - 1)
    for step in range(20):
        assert first.choose() == draws[step]
        first.learn((step % 3) - 1)
    arm = first.choose()
    second = Exp3(5, seed=7)
    second.restore(json.loads(json.dumps(first.state())))
    second.learn((20 % 3) - 1)
    assert [arm, *(go_on(second, step) for step in range(21, 40))] == draws[20:]


def go_on(bandit: Exp3, step: int) -> int:
    arm = bandit.choose()
    bandit.learn((step % 3) - 1)
    return arm


def test_a_reward_out_of_range_or_without_a_choice_is_refused():
    bandit = Exp3(2)
    with pytest.raises(ValueError, match="choose one first"):
        bandit.learn(0.1)
    bandit.choose()
    with pytest.raises(ValueError, match="between -1 and 1"):
        bandit.learn(1.5)
