"""Fidelity: identity keeps everything, brute force agrees."""

import numpy as np
import pytest

from datasel_assets.representations import compress, fidelity, fit_basis, moments, prepare
from datasel_assets.specs.compress import CompressSpec


def sample(n=300, layers=2, dim=24):
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((12, layers, dim))
    rows = centres[generator.integers(0, 12, n)] + 0.4 * generator.standard_normal((n, layers, dim))
    return rows.astype(np.float16)


def test_no_compression_keeps_everything():
    rows = sample()
    found = fidelity(CompressSpec(), fit_basis(CompressSpec(), None, 2, 24), rows)
    assert found.neighbour_recall == 1
    assert found.selection_overlap == 1
    assert found.variance_kept is None
    assert sum(found.layer_energy) == pytest.approx(1)


def test_neighbour_recall_and_selection_overlap_agree_with_brute_force():
    rows, queries = sample(), sample()[:5]
    spec = CompressSpec(method="rademacher", dims_per_layer=6)
    basis = fit_basis(spec, None, 2, 24)
    full = prepare(spec, rows)
    full /= np.linalg.norm(full, axis=1, keepdims=True)
    small = compress(spec, basis, rows).vectors
    shared = []
    for row in range(len(rows)):
        orders = [np.argsort(-(vectors @ vectors[row])) for vectors in (full, small)]
        near = [set(order[order != row][:10].tolist()) for order in orders]
        shared.append(len(near[0] & near[1]) / 10)

    def loop(vectors):
        lists = [list(np.argsort(-(vectors @ vectors[q]), kind="stable")) for q in range(5)]
        chosen, turn = [], 0
        while len(chosen) < 40:
            row = lists[turn % 5].pop(0)
            if row not in chosen:
                chosen.append(row)
            turn += 1
        return set(chosen)

    found = fidelity(spec, basis, rows, queries, budget=40)
    assert found.neighbour_recall == pytest.approx(np.mean(shared), abs=1e-3)
    assert found.selection_overlap == pytest.approx(len(loop(full) & loop(small)) / 40)


def test_fewer_columns_lose_more():
    rows = sample()
    recalls = []
    for columns in (2, 8, 24):
        spec = CompressSpec(method="rademacher", dims_per_layer=columns)
        recalls.append(fidelity(spec, fit_basis(spec, None, 2, 24), rows).neighbour_recall)
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[-1]


def test_the_kept_variance_comes_from_the_fit_and_drawn_queries_are_repeatable():
    rows = sample()
    spec = CompressSpec(method="whiten", dims=8)
    basis = fit_basis(spec, moments(prepare(spec, rows)), 2, 24)
    first, second = fidelity(spec, basis, rows, seed=3), fidelity(spec, basis, rows, seed=3)
    assert first == second
    assert first.variance_kept == basis.info["variance_kept"]


def test_zero_rows_take_no_part():
    rows = sample()
    rows[:20] = 0
    found = fidelity(CompressSpec(), fit_basis(CompressSpec(), None, 2, 24), rows)
    assert found.rows == len(rows) - 20


@pytest.mark.parametrize("n", [1, 2, 11])
def test_a_sample_too_small_for_neighbourhoods_has_no_figures_but_its_energy(n: int):
    found = fidelity(CompressSpec(), fit_basis(CompressSpec(), None, 2, 24), sample(n=n))
    assert found.rows == n
    assert np.isnan([found.neighbour_recall, found.selection_overlap]).all()
    assert sum(found.layer_energy) == pytest.approx(1)
