import numpy as np
import pytest

from datasel_assets.arrays.transport import likeness, transport_cost


def sphere(n: int, d: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(n, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_two_points_take_the_cheaper_of_both_assignments():
    assert transport_cost(np.array([[0.0, 1.0], [1.0, 0.0]])) == 0
    assert transport_cost(np.array([[0.9, 0.1], [0.3, 0.8]])) == pytest.approx(0.2)
    assert transport_cost(np.array([[0.1, 0.2], [0.2, 0.9]])) == pytest.approx(0.2)


def test_a_set_costs_nothing_to_turn_into_itself_and_both_ways_cost_the_same():
    one, other = sphere(20, 6, 0), sphere(20, 6, 1)
    assert transport_cost(1 - one @ one.T) == pytest.approx(0, abs=1e-12)
    assert transport_cost(1 - one @ other.T) == pytest.approx(transport_cost(1 - other @ one.T))


def test_it_is_what_an_exact_solver_of_transport_finds():
    solver = pytest.importorskip("ot", reason="POT, an independent solver")
    cost = 1 - sphere(40, 8, 2) @ sphere(40, 8, 3).T
    weights = np.full(40, 1 / 40)
    assert transport_cost(cost) == pytest.approx(solver.emd2(weights, weights, cost), abs=1e-9)
    assert transport_cost(cost) < solver.sinkhorn2(weights, weights, cost, reg=0.05)


def test_the_size_of_a_sample_changes_the_cost_and_a_common_size_takes_that_away():
    reference = sphere(200, 32, 4)
    unequal = [np.mean([likeness(sphere(n, 32, s), reference, n, 1, s) for s in range(6)]) for n in (1, 10, 30)]
    assert unequal[0] < unequal[1] < unequal[2]
    equal = [np.mean([likeness(sphere(n, 32, s), reference, 10, 4, s) for s in range(8)]) for n in (10, 30, 100)]
    assert np.ptp(equal) < 0.05 < np.ptp(unequal)


def test_sets_of_different_sizes_have_no_assignment():
    with pytest.raises(ValueError, match="equally many"):
        transport_cost(np.ones((2, 3)))
