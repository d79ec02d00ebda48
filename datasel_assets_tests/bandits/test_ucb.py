import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.bandits.first_sweep import TooFewTriesError, sweep_share
from datasel_assets.bandits.neighbours import centroid_distances, gaussian_distances, neighbour_weights
from datasel_assets.bandits.ucb import Ucb

ARMS = 20


def planted(seed: int) -> tuple[np.ndarray, np.random.Generator]:
    """The mean reward of each arm, 3 of 20 of them good."""
    draws = np.random.default_rng([3, seed])
    means = np.full(ARMS, 0.1)
    means[draws.choice(ARMS, 3, replace=False)] = 0.4
    return means, draws


def play(bandit: Ucb, means: np.ndarray, draws: np.random.Generator, tries: int) -> float:
    """Return the mean true reward of the arms that were tried."""
    total = 0.0
    for _ in range(tries):
        (arm,) = bandit.choose(1)
        total += means[arm]
        bandit.learn(arm, means[arm] + draws.normal(0, 0.05))
    return total / tries


@pytest.mark.parametrize("exploration", ["decaying", "spread", 0.05])
def test_good_arms_are_found_whatever_the_exploration(exploration):
    uniform = 0.1 + 0.3 * 3 / ARMS
    found = []
    for seed in range(10):
        means, draws = planted(seed)
        found.append(play(Ucb(ARMS, exploration=exploration, seed=seed), means, draws, 120))
    assert np.mean(found) > uniform + 0.1


def test_a_bonus_far_beyond_the_spread_of_the_rewards_tries_all_arms_alike():
    means, draws = planted(0)
    assert play(Ucb(ARMS, exploration=50.0), means, draws, 200) == pytest.approx(means.mean(), abs=0.01)


def test_without_a_prior_every_arm_comes_once_in_a_seeded_order_before_any_comes_twice():
    orders = []
    for seed in (1, 1, 2):
        bandit, order = Ucb(6, seed=seed), []
        for _ in range(6):
            (arm,) = bandit.choose(1)
            order.append(arm)
            bandit.learn(arm, 1.0 if arm == 0 else 0.0)
        assert sorted(order) == list(range(6))
        orders.append(order)
    assert orders[0] == orders[1] != orders[2]


def test_a_score_is_the_mean_and_the_bonus_of_the_formula():
    bandit = Ucb(2, exploration=0.5)
    for arm, reward in ((0, 1.0), (1, 0.2), (1, 0.4)):
        bandit.learn(arm, reward)
    bonus = 0.5 * np.sqrt(2 * np.log(3) / np.array([1, 2]))
    assert bandit.scores() == pytest.approx(np.array([1.0, 0.3]) + bonus)
    decaying = Ucb(2, exploration="decaying")
    decaying.restore(bandit.state())
    assert decaying.scores() == pytest.approx(np.array([1.0, 0.3]) + bonus / 0.5 / 4)


def test_one_try_has_a_logarithm_of_zero_and_divides_by_nothing():
    bandit = Ucb(1)
    bandit.learn(0, 0.3)
    assert bandit.scores() == pytest.approx([0.3])


def test_equal_scores_go_to_the_lower_index_and_exhausted_arms_to_nobody():
    bandit = Ucb(4)
    for arm in range(4):
        bandit.learn(arm, 0.5)
    assert bandit.choose(3) == [0, 1, 2]
    assert bandit.choose(9, np.array([False, True, False, True])) == [1, 3]
    assert bandit.choose(2, np.zeros(4, bool)) == []


def test_a_prior_chooses_first_and_is_outvoted_by_rewards():
    bandit = Ucb(3, exploration=0.0, prior=np.array([0.9, 0.5, 0.1]))
    assert bandit.choose(3) == [0, 1, 2]
    for arm, reward in ((0, -0.01), (1, 0.03), (0, -0.02), (1, 0.02)):
        bandit.learn(arm, reward)
    assert bandit.choose(1) == [1]


def test_the_scale_and_the_place_of_a_prior_do_not_matter():
    prior = np.array([0.3, 0.9, 0.1, 0.5])
    found = []
    for values in (prior, 1000 * prior - 7):
        bandit, order = Ucb(4, prior=values), []
        for reward in (0.001, 0.002, 0.0005, 0.004, 0.001, 0.002):
            (arm,) = bandit.choose(1)
            order.append(arm)
            bandit.learn(arm, reward * (arm + 1))
        found.append(order)
    assert found[0] == found[1]


def test_a_prior_finds_planted_arms_with_fewer_tries_than_arms():
    found, blind = [], []
    for seed in range(10):
        means, draws = planted(seed)
        prior = means + draws.normal(0, 0.1, ARMS)
        found.append(play(Ucb(ARMS, prior=prior, seed=seed), means, draws, 10))
        blind.append(play(Ucb(ARMS, seed=seed), means, draws, 10))
    assert np.mean(found) > np.mean(blind) + 0.1


def test_a_neighbour_learns_with_its_weight():
    sharing = np.array([[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1]])
    bandit = Ucb(3, exploration=0.0, sharing=sharing)
    bandit.learn(0, 0.8)
    assert bandit.scores() == pytest.approx([0.8, 0.8, np.inf])
    bandit.learn(1, 0.2)
    assert bandit.scores()[:2] == pytest.approx([(0.8 + 0.25 * 0.2) / 1.25, (0.25 * 0.8 + 0.2) / 1.25])
    assert bandit.pulls.tolist() == [1, 1, 0]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40), st.integers(1, 39), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_bandit_that_goes_on_from_its_written_state_tries_the_same_arms(rewards, cut, has_prior):
    def begin() -> Ucb:
        return Ucb(
            5, prior=np.arange(5.0) if has_prior else None, sharing=neighbour_weights(np.ones((5, 5)), 2), seed=3
        )

    whole, order, states = begin(), [], []
    for reward in rewards:
        states.append(json.dumps(whole.state()))
        (arm,) = whole.choose(1)
        order.append(arm)
        whole.learn(arm, reward)
    cut = min(cut, len(rewards) - 1)
    again, found = begin(), order[:cut]
    again.restore(json.loads(states[cut]))
    for reward in rewards[cut:]:
        (arm,) = again.choose(1)
        found.append(arm)
        again.learn(arm, reward)
    assert found == order
    assert again.state() == whole.state()


def test_what_is_no_number_is_refused():
    bandit = Ucb(2)
    with pytest.raises(ValueError, match="worst"):
        bandit.learn(0, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        Ucb(2, prior=np.array([1, np.nan]))
    with pytest.raises(ValueError, match="shape"):
        Ucb(2, prior=np.ones(3))
    with pytest.raises(ValueError, match="diagonal"):
        Ucb(2, sharing=np.zeros((2, 2)))
    bandit.learn(0, 0.4)
    bandit.learn(1, -0.2)
    assert bandit.worst == -0.2


# ------------------------------------------------------------------------------------------------- first sweep
def test_a_first_sweep_takes_its_share_of_the_tries_and_more_arms_than_tries_are_refused():
    assert sweep_share(60, 120, has_prior=False) == 0.5
    assert sweep_share(60, 10, has_prior=True) == 0.0
    with pytest.raises(TooFewTriesError, match="59 tries do not reach 60 arms"):
        sweep_share(60, 59, has_prior=False)


# -------------------------------------------------------------------------------------------------- neighbours
def test_the_weight_of_a_neighbour_falls_with_its_distance():
    distances = np.array([[0, 0.05, 0.3], [0.05, 0, 0.2], [0.3, 0.2, 0]])
    expected = [[1, 0.75, 0], [0.75, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(neighbour_weights(distances, 0.2), expected)
    np.testing.assert_array_equal(neighbour_weights(distances, 0), np.eye(3))


def test_gaussians_are_as_far_apart_as_their_means_and_deviations():
    means, variances = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[1.0, 4.0], [4.0, 4.0]])
    np.testing.assert_allclose(gaussian_distances(means, variances), [[0, 26], [26, 0]])


def test_centroids_are_as_far_apart_as_one_less_their_cosine():
    np.testing.assert_allclose(centroid_distances(np.array([[1, 0], [0.6, 0.8]])), [[0, 0.4], [0.4, 0]], atol=1e-12)
