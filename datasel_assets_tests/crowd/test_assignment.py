import numpy as np
import pytest

from datasel_assets.crowd.assignment import (
    accuracy_gain,
    answer_probabilities,
    best_tasks,
    cannot_be_overtaken,
    entropy_gain,
    is_settled,
    one_coin,
    updated,
)


def drawn(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.ones(k), size=n), draw.dirichlet(np.ones(k), size=k)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_answers_that_may_come_sum_to_one_and_gains_are_never_negative(k: int):
    """CROWD-6."""
    posterior, confusion = drawn(200, k)
    np.testing.assert_allclose(answer_probabilities(posterior, confusion).sum(axis=1), 1)
    assert (accuracy_gain(posterior, confusion) >= 0).all()
    assert (entropy_gain(posterior, confusion) >= 0).all()


def test_gains_are_what_going_through_every_answer_gives():
    posterior, confusion = drawn(30, 3, seed=4)
    probability = answer_probabilities(posterior, confusion)

    def entropy(p: np.ndarray) -> float:
        return float(-(p * np.log(p)).sum())

    for row, p in enumerate(posterior):
        after = [updated(p, confusion, answer) for answer in range(3)]
        np.testing.assert_allclose(
            accuracy_gain(posterior, confusion)[row],
            sum(probability[row, a] * after[a].max() for a in range(3)) - p.max(),
            atol=1e-12,
        )
        np.testing.assert_allclose(
            entropy_gain(posterior, confusion)[row],
            entropy(p) - sum(probability[row, a] * entropy(after[a]) for a in range(3)),
            atol=1e-12,
        )


def test_nothing_is_gained_from_somebody_who_guesses_or_about_what_is_certain():
    guess = one_coin(0.5, 2)
    np.testing.assert_allclose(entropy_gain(np.array([[0.3, 0.7]]), guess), 0, atol=1e-12)
    np.testing.assert_allclose(accuracy_gain(np.array([[0.0, 1.0]]), one_coin(0.8, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(accuracy_gain(np.array([[0.5, 0.5]]), one_coin(0.8, 2)), 0.3)


def test_what_was_answered_already_is_never_given_again():
    """CROWD-6."""
    gains, may = np.array([0.3, 0.9, 0.3, 0.1]), np.array([True, False, True, True])
    np.testing.assert_array_equal(best_tasks(gains, may, 2), [0, 2])
    np.testing.assert_array_equal(best_tasks(gains, np.zeros(4, bool), 2), [])


def test_asking_stops_when_sure_or_when_asked_often_enough():
    posterior = np.array([[0.96, 0.04], [0.6, 0.4], [0.96, 0.04], [0.6, 0.4]])
    counts = np.array([1, 5, 0, 4])
    np.testing.assert_array_equal(is_settled(posterior, counts, 0.95, 5), [True, True, False, False])
    np.testing.assert_array_equal(is_settled(posterior, counts, None, 5), [False, True, False, False])


def test_a_lead_of_three_answers_stands_against_two_and_not_against_three():
    """Three answers more at quality 0.8 are odds of 64; two more are 16, three more 64 again, which is a tie."""
    posterior = np.array([[64 / 65, 1 / 65]])
    assert cannot_be_overtaken(posterior, np.array([2]), 0.8)[0]
    assert not cannot_be_overtaken(posterior, np.array([4]), 0.8)[0]
