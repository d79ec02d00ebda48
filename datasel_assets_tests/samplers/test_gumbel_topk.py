"""Top rows by score, and draws by temperature, against the distribution that they promise."""

import numpy as np

from datasel_assets.samplers import Candidates, gumbel_topk


def order(scores, budget, *, tau=0.0, seed=0):
    row_ids = np.array([f"{i:06x}" for i in range(len(scores))])
    params = gumbel_topk.Params(by="x", tau=tau)
    candidates = Candidates(row_ids, scores=np.asarray(scores, float))
    return gumbel_topk.sample(candidates, budget, params, seed).order.tolist()


def test_without_temperature_the_best_rows_come_first_and_ties_go_by_row_id():
    assert order([1.0, 3.0, 2.0, 3.0], 3) == [1, 3, 2]


def test_rows_without_a_score_are_never_drawn():
    assert order([np.nan, -9.0, np.nan], 3, tau=5.0) == [1]


def test_the_seed_changes_nothing_without_temperature():
    assert order([0.1, 0.3, 0.2], 3, seed=1) == order([0.1, 0.3, 0.2], 3, seed=2)


def test_successive_draws_have_the_probabilities_of_sampling_without_replacement():
    p = np.array([0.5, 0.3, 0.15, 0.05])
    draws = [tuple(order(np.log(p), 2, tau=1.0, seed=seed)) for seed in range(6000)]
    first = np.bincount([a for a, _ in draws], minlength=4) / len(draws)
    np.testing.assert_allclose(first, p, atol=0.025)
    both = np.mean([draw == (0, 1) for draw in draws])
    np.testing.assert_allclose(both, p[0] * p[1] / (1 - p[0]), atol=0.025)


def test_a_temperature_flattens_the_distribution():
    p = np.array([0.8, 0.2])
    first = np.mean([order(np.log(p), 1, tau=2.0, seed=seed)[0] == 0 for seed in range(4000)])
    np.testing.assert_allclose(first, 0.8**0.5 / (0.8**0.5 + 0.2**0.5), atol=0.03)
