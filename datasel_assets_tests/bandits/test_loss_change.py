"""The expected change of a loss: against a search over mixes, and against true changes of a toy language model."""

import json

import numpy as np
import pytest

from datasel_assets.bandits.loss_change import LossChange, smallest_mix


def pair(d_k: float, d_p: float, cosine: float) -> tuple[np.ndarray, np.ndarray]:
    """Two gradients with given squared norms and angle."""
    first = np.array([np.sqrt(d_k), 0.0])
    before = np.sqrt(d_p) * np.array([cosine, np.sqrt(1 - cosine**2)])
    return first, before


@pytest.mark.parametrize(("d_k", "d_p", "cosine"), [(1.0, 3.0, 0.2), (0.4, 0.5, -0.6), (2.0, 2.5, 0.5)])
def test_the_mix_is_the_one_that_a_search_over_a_grid_finds(d_k: float, d_p: float, cosine: float):
    first, before = pair(d_k, d_p, cosine)
    grid = np.linspace(0, 1, 20_001)
    lengths = ((grid[:, None] * first + (1 - grid)[:, None] * before) ** 2).sum(axis=1)
    assert smallest_mix(first, before) == pytest.approx(grid[lengths.argmin()], abs=5e-4)
    cross = np.sqrt(d_k * d_p) * cosine
    assert smallest_mix(first, before) == pytest.approx((d_p - cross) / (d_k + d_p - 2 * cross))


def test_plain_norms_in_the_place_of_squared_ones_miss_the_smallest_mix():
    d_k, d_p, cosine = 1.0, 4.0, 0.2
    n_k, n_p = np.sqrt(d_k), np.sqrt(d_p)
    wrong = (n_p - np.sqrt(n_k * n_p) * cosine) / (n_k + n_p - 2 * np.sqrt(n_k * n_p) * cosine)
    assert smallest_mix(*pair(d_k, d_p, cosine)) - wrong > 0.1


def test_the_mix_stays_between_the_two_and_is_a_half_where_they_are_one():
    assert smallest_mix(*pair(1.0, 9.0, 0.9)) == 1.0
    assert smallest_mix(*pair(9.0, 1.0, 0.9)) == 0.0
    one = np.array([0.3, -0.2])
    assert smallest_mix(one, one) == 0.5


def test_the_published_change_needs_the_vectors_and_not_their_lengths():
    change = LossChange("minnorm", 2)
    assert change.expected(0, 0.1) == 0
    change.learn(0, np.array([2.0, 0.0]), 3.0, 1)
    assert change.expected(1, 0.1) == pytest.approx(-0.1 * 4)  # never tried: the round before alone
    change.learn(1, np.array([0.0, 1.0]), 3.0, 2)
    # The first of arm 0 and the round before stand at a right angle: from their lengths alone the cosine would be 1.
    assert change.expected(0, 0.1) == pytest.approx(-0.1 * 4 * 1 / (4 + 1))
    change.learn(0, np.array([9.0, 9.0]), 3.0, 3)
    change.learn(1, np.array([0.0, 1.0]), 3.0, 4)
    assert change.expected(0, 0.1) == pytest.approx(-0.1 * 4 / 5)  # still the first gradient of the arm


def test_a_secant_continues_the_last_two_losses_of_the_arm_by_one_step():
    change = LossChange("secant", 2)
    change.learn(0, None, 4.0, 10)
    assert change.expected(0, 0.1) == 0
    change.learn(1, None, 9.0, 12)
    change.learn(0, None, 3.0, 20)
    assert change.expected(0, 0.1) == pytest.approx(-0.1)
    change.learn(0, None, 3.5, 25)
    assert change.expected(0, 0.1) == pytest.approx(0.1)


def test_what_goes_on_from_its_written_state_expects_the_same():
    change = LossChange("minnorm", 2)
    change.learn(1, np.array([1.0, 2.0]), 3.0, 1)
    change.learn(0, np.array([1.0, -2.0]), 2.0, 2)
    again = LossChange("minnorm", 2)
    again.restore(json.loads(json.dumps(change.state())))
    assert again.expected(1, 0.3) == change.expected(1, 0.3) != 0
    assert again.state() == change.state()


# ------------------------------------------------------------------------------------------ a toy language model
def loss_of(weights: np.ndarray, context: np.ndarray, token: np.ndarray) -> float:
    logits = weights[context]
    return float((np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(token)), token]).mean())


def gradient_of(weights: np.ndarray, context: np.ndarray, token: np.ndarray) -> np.ndarray:
    p = np.exp(weights[context])
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(token)), token] -= 1
    found = np.zeros_like(weights)
    np.add.at(found, context, p / len(token))
    return found


def walk(adam: bool) -> dict[str, np.ndarray]:
    """Train a table of logits on five tasks in turns for 60 steps; return the true and the told changes."""
    rng = np.random.default_rng(3)
    weights = np.zeros((40, 12))
    tables = rng.dirichlet(np.full(12, 0.3), (5, 40))
    change, rate = LossChange("minnorm", 5), 0.01 if adam else 0.5
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    told: dict[str, list[float]] = {"true": [], "own": [], "squares": [], "minnorm": []}
    for step in range(1, 61):
        task = int(rng.integers(5))
        context = rng.integers(task * 8, task * 8 + 8, 64)
        token = np.array([rng.choice(12, p=tables[task, c]) for c in context])
        gradient = gradient_of(weights, context, token)
        if adam:
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            moved = -rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        else:
            moved = -rate * gradient
        told["true"].append(loss_of(weights + moved, context, token) - loss_of(weights, context, token))
        told["own"].append(float((gradient * moved).sum()))
        told["squares"].append(-rate * float((gradient**2).sum()))
        told["minnorm"].append(change.expected(task, rate))
        change.learn(task, gradient.ravel(), 0.0, step)
        weights += moved
    return {name: np.array(values[1:]) for name, values in told.items()}


def test_the_change_of_the_step_s_own_gradient_is_the_true_one_under_plain_descent_and_the_published_one_is_not():
    found = walk(adam=False)
    assert np.corrcoef(found["own"], found["true"])[0, 1] > 0.99
    assert found["own"].mean() == pytest.approx(found["true"].mean(), rel=0.1)
    assert np.corrcoef(found["minnorm"], found["true"])[0, 1] < 0.5


def test_under_adam_the_squared_norm_has_another_size_and_the_product_with_the_step_has_not():
    found = walk(adam=True)
    assert found["own"].mean() == pytest.approx(found["true"].mean(), rel=0.2)
    assert abs(found["squares"].mean()) < abs(found["true"].mean()) / 5
