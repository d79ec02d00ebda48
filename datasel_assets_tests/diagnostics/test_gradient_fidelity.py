"""Stored against exact cosines: nothing lost, all lost, too few; where gradients are long."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from datasel_assets.diagnostics.gradient_fidelity import (
    FEWEST,
    block_and_kind,
    energy_grid,
    energy_shares,
    gradient_fidelity,
)


def cosines(rows: int = 200, queries: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (rows, queries))


def test_vectors_that_order_rows_as_the_whole_gradients_do_lose_nothing():
    exact = cosines()
    found = gradient_fidelity(np.tanh(exact), exact)
    assert (found.rows, found.queries) == (200, 6)
    assert (found.spearman, found.overlap) == (1, 1)
    assert gradient_fidelity(3 * exact, exact).spearman_of_mean == 1


def test_vectors_that_say_nothing_agree_by_chance_alone():
    found = gradient_fidelity(cosines(seed=1), cosines())
    assert abs(found.spearman) < 0.1
    assert found.overlap < 0.4


def test_the_figures_are_the_means_over_queries_of_the_rank_correlation():
    exact = cosines(80, 3)
    stored = exact + cosines(80, 3, seed=2)
    found = gradient_fidelity(stored, exact)
    assert found.spearman == pytest.approx(
        np.mean([spearmanr(a, b)[0] for a, b in zip(stored.T, exact.T, strict=True)])
    )
    assert found.spearman_of_mean == pytest.approx(spearmanr(stored.mean(axis=1), exact.mean(axis=1))[0])


def test_a_selection_of_one_query_is_its_nearest_tenth():
    exact, stored = cosines(100, 1), cosines(100, 1, seed=3)
    nearest = [set(np.argsort(-one[:, 0])[:10].tolist()) for one in (stored, exact)]
    assert gradient_fidelity(stored, exact).overlap == len(nearest[0] & nearest[1]) / 10


@pytest.mark.parametrize(("rows", "queries"), [(FEWEST - 1, 3), (0, 0), (100, 0)])
def test_too_few_rows_have_no_figures(rows: int, queries: int):
    found = gradient_fidelity(np.zeros((rows, queries)), np.zeros((rows, queries)))
    assert np.isnan([found.spearman, found.spearman_of_mean, found.overlap]).all()


def test_cosines_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="must be"):
        gradient_fidelity(cosines(60, 2), cosines(60, 3))


def test_every_row_counts_the_same_in_the_shares_however_long_its_gradient_is():
    squares = np.array([[3.0, 1.0], [1e6, 1e6], [0, 0]])
    np.testing.assert_allclose(energy_shares(squares), [0.625, 0.375])
    assert energy_shares(np.zeros((2, 3))).tolist() == [0, 0, 0]


def test_layers_stand_in_the_grid_by_block_and_kind():
    names = [f"model.layers.{k}.{part}" for k in range(2) for part in ("self_attn.q_proj", "mlp.down_proj")]
    blocks, kinds, grid = energy_grid(names, np.array([0.1, 0.2, 0.3, 0.4]))
    assert (blocks, kinds) == (["0", "1"], ["q_proj", "down_proj"])
    np.testing.assert_allclose(grid, [[0.1, 0.3], [0.2, 0.4]])
    assert block_and_kind("h.11.attn.c_attn") == ("11", "c_attn")
    assert block_and_kind("alone") == ("0", "alone")
