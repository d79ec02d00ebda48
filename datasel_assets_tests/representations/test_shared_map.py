import numpy as np
import pytest

from datasel_assets.representations.shared_map import _slope, _unit, fit_shared_map

N, D, PER = 48, 24, 3


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents and rows that share 6 directions; in the 18 others, which vary more, they have nothing in common."""
    draw = np.random.default_rng(seed)
    turn = np.linalg.qr(draw.normal(size=(D, D)))[0]
    meaning = draw.normal(size=(N, 6))
    owner = np.repeat(np.arange(N), PER)
    documents = np.concatenate([meaning, 2.5 * draw.normal(size=(N, 18))], axis=1) @ turn
    rows = np.concatenate([meaning[owner], 2.5 * draw.normal(size=(N * PER, 18))], axis=1) @ turn
    return documents, rows, owner


def test_after_the_warm_up_more_documents_find_their_own_rows():
    documents, rows, owner = planted()
    found = fit_shared_map(documents, rows, owner, dims=8, steps=200, temperature=0.2, rate=0.05, seed=0)
    assert found.recall > found.recall_before + 0.2
    assert found.steps > 0
    assert np.linalg.norm(found.of(documents), axis=1) == pytest.approx(np.ones(N))


def test_the_slope_is_that_of_the_loss():
    documents, rows, _ = planted(1)
    rows, documents = rows[::PER][:7], documents[:7]
    weights = np.random.default_rng(2).normal(size=(D, 5))

    def loss(weights: np.ndarray) -> float:
        logits = _unit(documents @ weights)[0] @ _unit(rows @ weights)[0].T / 0.3
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)))

    exact, step = _slope(documents, rows, weights, 0.3), 1e-6
    for place in [(0, 0), (5, 3), (23, 4)]:
        moved = np.zeros_like(weights)
        moved[place] = step
        assert exact[place] == pytest.approx((loss(weights + moved) - loss(weights - moved)) / (2 * step), rel=1e-4)


def test_without_two_documents_that_have_rows_the_map_is_that_of_most_variance():
    documents, rows, _ = planted()
    found = fit_shared_map(documents, rows[:1], np.zeros(1, int), dims=4, steps=50, temperature=0.1, rate=0.1, seed=0)
    assert (found.steps, found.weights.shape) == (0, (D, 4))


def test_equal_input_gives_an_equal_map():
    documents, rows, owner = planted()
    one, other = (
        fit_shared_map(documents, rows, owner, dims=4, steps=40, temperature=0.1, rate=0.1, seed=3) for _ in range(2)
    )
    np.testing.assert_array_equal(one.weights, other.weights)
