from itertools import combinations

import numpy as np
import pytest

from datasel_assets.crowd.deduction import Deduction, Edge
from datasel_assets.crowd.rounds import match


def every_pair(labels: np.ndarray, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All pairs with a likelihood: matches first, or noisy."""
    pairs = np.array(list(combinations(range(len(labels)), 2)))
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    noise = np.random.default_rng(seed or 0).normal(scale=0.0 if seed is None else 0.4, size=len(pairs))
    return pairs, same + noise


def oracle(labels: np.ndarray):
    return lambda pairs: [(bool(labels[a] == labels[b]), 1.0) for a, b in pairs]


@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_oracle_is_asked_far_less_than_all_pairs_and_every_label_is_right(seed: int):
    """CROWD-3: 50 entities."""
    labels = np.random.default_rng(seed).integers(50, size=90)
    pairs, likelihood = every_pair(labels, seed=seed + 1)
    found = match(pairs, likelihood, oracle(labels), len(labels), per_round=1)
    np.testing.assert_array_equal(found.is_same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    assert found.questions < 0.35 * len(pairs)
    assert found.conflicts == 0


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 3, 2), (10,), (5, 5, 5, 5)])
def test_with_all_matches_first_exactly_the_fewest_pairs_are_asked(sizes: tuple[int, ...]):
    """CROWD-4: n - k matches and k (k - 1) / 2 others."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    pairs, likelihood = every_pair(labels)
    found = match(pairs, likelihood, oracle(labels), len(labels), per_round=1)
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    n, k = len(labels), len(sizes)
    assert found.was_asked[same].sum() == n - k
    assert found.was_asked[~same].sum() == k * (k - 1) // 2
    np.testing.assert_array_equal(found.is_same, same)


def test_a_round_asks_only_what_would_be_asked_anyway():
    """Many at once cost not one question more than one after the other, in fewer rounds."""
    for seed in range(5):
        labels = np.random.default_rng(seed).integers(12, size=40)
        pairs, likelihood = every_pair(labels, seed=seed + 1)
        one = match(pairs, likelihood, oracle(labels), len(labels), per_round=1)
        many = match(pairs, likelihood, oracle(labels), len(labels))
        np.testing.assert_array_equal(one.is_same, many.is_same)
        assert many.questions == one.questions
        assert many.rounds < one.rounds / 3


def test_what_is_deduced_is_what_follows():
    known = Deduction(6)
    for edge in (Edge(0, 1, True), Edge(2, 3, True), Edge(1, 2, False), Edge(3, 4, True)):
        assert known.add(edge) is None
    assert known.known(0, 4) is False
    assert known.known(2, 4) is True
    assert known.known(0, 5) is None
    assert known.sets() == [[0, 1], [2, 3, 4], [5]]
    assert known.evidence(0, 4) == [Edge(0, 1, True), Edge(1, 2, False), Edge(2, 3, True), Edge(3, 4, True)]


def test_different_edges_move_with_the_set_that_is_joined():
    known = Deduction(5)
    for edge in (Edge(0, 1, False), Edge(2, 3, True), Edge(2, 4, True), Edge(1, 3, True)):
        assert known.add(edge) is None
    assert [known.known(0, other) for other in (1, 2, 3, 4)] == [False] * 4


def test_a_contradiction_names_the_weakest_answer_of_its_cycle_and_changes_nothing():
    known = Deduction(3)
    known.add(Edge(0, 1, True, 0.99))
    known.add(Edge(1, 2, True, 0.96))
    assert known.add(Edge(0, 2, False, 0.98)) == Edge(1, 2, True, 0.96)
    assert known.known(0, 2) is True
    known = Deduction(4)
    known.add(Edge(0, 1, True, 0.99))
    known.add(Edge(1, 2, False, 0.99))
    assert known.add(Edge(0, 2, True, 0.97)) == Edge(0, 2, True, 0.97)


def test_a_contradiction_is_asked_again_and_a_better_answer_stands():
    pairs, asked = np.array([[0, 1], [1, 2], [0, 2]]), []

    def ask(batch: list[tuple[int, int]]) -> list[tuple[bool, float]]:
        asked.extend(batch)
        first = {(0, 1): (True, 0.99), (1, 2): (True, 0.96), (0, 2): (False, 0.98)}
        return [(False, 1.0) if asked.count(pair) > 1 else first[pair] for pair in batch]

    # (0, 2) follows from the others, so only a likelihood that puts it among the first two has it asked.
    found = match(pairs, np.array([0.9, 0.1, 0.8]), ask, 3, per_round=2)
    np.testing.assert_array_equal(found.is_same, [True, False, False])
    assert found.questions == len(asked)


def test_an_unsure_answer_stands_for_its_own_pair_only():
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    found = match(pairs, np.array([3, 2, 1]), lambda batch: [(True, 0.8)] * len(batch), 3, per_round=1)
    assert found.was_asked.all()
    assert found.is_same.all()


@pytest.mark.parametrize("seed", range(3))
def test_workers_who_err_do_not_keep_it_from_ending(seed: int):
    draw = np.random.default_rng(seed)
    labels = draw.integers(8, size=30)
    pairs, likelihood = every_pair(labels, seed=seed + 1)

    def ask(batch: list[tuple[int, int]]) -> list[tuple[bool, float]]:
        return [(bool(labels[a] == labels[b]) ^ (draw.random() < 0.03), float(draw.uniform(0.9, 1))) for a, b in batch]

    found = match(pairs, likelihood, ask, len(labels))
    assert (found.is_same == (labels[pairs[:, 0]] == labels[pairs[:, 1]])).mean() > 0.8
