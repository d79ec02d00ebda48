"""Top rows by score, and draws by temperature, against the distribution that they promise."""

import numpy as np
import pytest

from datasel_assets.samplers import Candidates, gumbel_topk, ranks_all


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


def drawn(scores, budget, seed, **raw):
    row_ids = np.array([f"{i:06x}" for i in range(len(scores))])
    params = gumbel_topk.Params(by="x", tau=1.0, **raw)
    return gumbel_topk.sample(Candidates(row_ids, scores=np.asarray(scores, float)), budget, params, seed)


@pytest.mark.parametrize("replace", [False, True])
def test_the_weighted_sum_of_a_draw_is_the_pools_sum_on_average(replace):
    rng = np.random.default_rng(1)
    f = rng.gamma(2, 1, 60)
    p = f * rng.uniform(0.5, 1.5, 60)
    p /= p.sum()
    unbiased, naive, normalised = [], [], []
    for seed in range(1500):
        picked = drawn(np.log(p), 12, seed, replace=replace, weights="unbiased")
        unbiased.append((picked.weights * f[picked.order]).sum())
        naive.append((f[picked.order] / (12 * p[picked.order])).sum())
        normalised.append(drawn(np.log(p), 12, seed, replace=replace, weights="normalised").weights.sum())
    error = np.std(unbiased) / np.sqrt(len(unbiased))
    assert abs(np.mean(unbiased) - f.sum()) < 4 * error
    assert abs(np.mean(naive) - f.sum()) > 5 * np.std(naive) / np.sqrt(len(naive))
    np.testing.assert_allclose(normalised, 60, rtol=1e-5)


def test_threshold_weights_are_one_over_the_chance_to_beat_the_first_row_left_out():
    scores = np.log(np.array([0.4, 0.3, 0.2, 0.1]))
    picked = drawn(scores, 2, 7, weights="unbiased")
    keys = scores + gumbel_topk.gumbel(np.array([f"{i:06x}" for i in range(4)]), 7)
    expected = 1 / (1 - np.exp(-np.exp(scores[picked.order] - np.sort(keys)[1])))
    np.testing.assert_allclose(picked.weights, expected, rtol=1e-5)


def test_drawing_with_replacement_counts_like_drawing_one_by_one():
    p = np.array([0.6, 0.25, 0.1, 0.05])
    rng = np.random.default_rng(0)
    plain = np.zeros(4)
    for _ in range(4000):
        seen: dict[int, int] = {}
        while True:
            row = int(rng.choice(4, p=p))
            if row not in seen and len(seen) == 2:
                break
            seen[row] = seen.get(row, 0) + 1
        plain[list(seen)] += list(seen.values())
    ours = np.zeros(4)
    for seed in range(4000):
        picked = drawn(np.log(p), 2, seed, replace=True)
        ours[picked.order] += picked.weights
    np.testing.assert_allclose(ours / 4000, plain / 4000, atol=0.12)
    np.testing.assert_allclose(ours.sum() / 4000, plain.sum() / 4000, rtol=0.05)


def test_replacement_changes_neither_the_rows_nor_their_order():
    scores = np.linspace(0, 3, 30)
    for seed in range(5):
        assert drawn(scores, 9, seed, replace=True).order.tolist() == order(scores, 9, tau=1.0, seed=seed)


@pytest.mark.parametrize(
    "raw", [{"weights": "unbiased"}, {"replace": True}, {"replace": True, "weights": "normalised"}]
)
def test_a_budget_of_the_whole_pool_weighs_every_row_once(raw):
    assert drawn([0.0, -1.0, 2.0], 3, 0, **raw).weights.tolist() == [1, 1, 1]
    assert drawn([0.0, -1.0, 2.0], 9, 0, **raw).weights.tolist() == [1, 1, 1]
    assert not ranks_all("topk", gumbel_topk.Params(by="x", tau=1.0, **raw))


def test_very_unlike_probabilities_give_finite_weights():
    for raw in ({"replace": True}, {"weights": "unbiased"}, {"replace": True, "weights": "normalised"}):
        weights = drawn([0.0, -60.0, -800.0, -1200.0], 3, 0, **raw).weights
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        assert weights.sum() >= 1


def test_weights_without_a_temperature_and_infinite_scores_are_refused():
    with pytest.raises(ValueError, match="set 'tau' above 0"):
        gumbel_topk.Params(by="x", weights="unbiased")
    with pytest.raises(ValueError, match="1 scores are infinite"):
        drawn([0.0, np.inf], 1, 0, weights="unbiased")
