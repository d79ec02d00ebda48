from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datasel_assets.samplers import greedy, requires
from datasel_assets.samplers.candidates import Candidates
from datasel_assets.samplers.greedy import Params, sample
from datasel_assets.samplers.greedy.objectives import OBJECTIVES, similarity
from datasel_assets.samplers.greedy.objectives.base import NoParams
from datasel_assets.samplers.greedy.objectives.facility_location import FacilityLocation
from datasel_assets.samplers.greedy.objectives.similarity import Dense, Sparse
from datasel_assets.samplers.greedy.optimisers import Search, lazy_greedy
from datasel_assets_tests.samplers import greedy_by_hand as by_hand
from datasel_assets_tests.samplers.greedy_by_hand import pool_of

RNG = np.random.default_rng


def params(objective: object = "facility_location", **rest: object) -> Params:
    return Params.model_validate({"objective": objective, **rest})


def planes(seed: int, n: int) -> np.ndarray:
    """Rows of few whole numbers: many copies and ties, and cosines that are far from equal where they differ."""
    vectors = RNG(seed).integers(-2, 3, (n, 3)).astype(np.float32)
    vectors[(vectors == 0).all(axis=1)] = 1
    return vectors


def tags(seed: int, n: int) -> np.ndarray:
    has = RNG(seed).random((n, 5)) < 0.4
    has[~has.any(axis=1), 0] = True
    return has


CASES = {
    "facility_location": lambda v, h: ("facility_location", by_hand.facility_location(by_hand.clipped(v))),
    "saturated_coverage": lambda v, h: (
        {"name": "saturated_coverage", "saturation": 0.3},
        by_hand.saturated_coverage(by_hand.clipped(v), 0.3),
    ),
    "graph_cut": lambda v, h: (
        {"name": "graph_cut", "redundancy": 0.75},
        by_hand.graph_cut(by_hand.clipped(v), 0.75),
    ),
    "tags sqrt": lambda v, h: ("tag_coverage", by_hand.tag_coverage(h, np.sqrt)),
    "tags log": lambda v, h: ({"name": "tag_coverage", "concave": "log"}, by_hand.tag_coverage(h, np.log1p)),
    "tags once": lambda v, h: (
        {"name": "tag_coverage", "concave": "once"},
        by_hand.tag_coverage(h, lambda c: min(c, 1)),
    ),
    "log_det": lambda v, h: ({"name": "log_det", "ridge": 0.2}, by_hand.log_det(by_hand.cosines(v), 0.2)),
}
every_objective = pytest.mark.parametrize("case", CASES)


def told_apart(case, pool):
    """Ties of a pool; none for the determinant, whose factor is extended by a row at a time and rounds."""
    return np.full(len(pool.ties), None) if case == "log_det" else pool.ties


@every_objective
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 11), budget=st.integers(1, 12))
def test_the_order_and_the_gains_are_those_of_evaluating_everything_from_scratch(case, seed, n, budget):
    vectors, has = planes(seed, n), tags(seed, n)
    spec, value = CASES[case](vectors, has)
    pool = pool_of(vectors, has, seed)
    picked = sample(pool, budget, params(spec), 0)
    assert by_hand.is_greedy(picked.order.tolist(), value, n, budget, told_apart(case, pool))
    for b in range(1, len(picked.order) + 1):
        assert picked.scores[:b].sum() == pytest.approx(value(picked.order[:b].tolist()), abs=2e-5)


@every_objective
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
def test_gain_per_cost_and_a_modular_term_are_taken_into_account(case, seed, n):
    vectors, has, rng = planes(seed, n), tags(seed, n), RNG(seed)
    cost, scores = rng.integers(1, 5, n).astype(float), rng.integers(0, 9, n) / 4
    spec, value = CASES[case](vectors, has)
    pool = pool_of(vectors, has, seed, scores=scores, costs=cost)
    both = sample(pool, n, params(spec, alpha=0.5, by="quality"), 0)
    ties = told_apart(case, pool)
    assert by_hand.is_greedy(both.order.tolist(), value, n, n, ties, cost, 0.5 * scores)
    total = value(both.order.tolist()) + 0.5 * scores.sum()
    assert both.scores.sum() == pytest.approx(total, abs=1e-4)
    plain = sample(pool, n, params(spec, cost_scaled=False), 0)
    assert by_hand.is_greedy(plain.order.tolist(), value, n, n, ties)


@pytest.mark.parametrize("case", ["facility_location", "saturated_coverage", "tags sqrt", "tags once", "log_det"])
def test_it_reaches_1_minus_1_over_e_of_the_best_subset(case):
    for seed in range(4):
        vectors, has = RNG(seed).standard_normal((12, 4)).astype(np.float32), tags(seed, 12)
        spec, value = CASES[case](vectors, has)
        order = sample(pool_of(vectors, has), 4, params(spec), 0).order.tolist()
        for budget in (1, 2, 3, 4):
            best = max(value(list(chosen)) for chosen in combinations(range(12), budget))
            assert value(order[:budget]) >= (1 - 1 / np.e) * best


def test_the_better_of_both_cost_rules_reaches_half_of_that_with_a_budget_of_cost():
    for seed in range(4):
        rng = RNG(seed)
        vectors, cost = rng.standard_normal((11, 3)).astype(np.float32), rng.integers(1, 9, 11).astype(float)
        value = by_hand.facility_location(by_hand.clipped(vectors))
        pool = pool_of(vectors, costs=cost)
        subsets = [list(c) for b in range(1, 8) for c in combinations(range(11), b) if cost[list(c)].sum() <= 15]
        best = max(value(chosen) for chosen in subsets)
        reached = []
        for scaled in (True, False):
            inside: list[int] = []
            for row in sample(pool, 11, params(cost_scaled=scaled), 0).order.tolist():
                if cost[[*inside, row]].sum() <= 15:
                    inside.append(row)
            reached.append(value(inside))
        assert max(reached) >= (1 - 1 / np.e) / 2 * best


@pytest.mark.parametrize("name", ["facility_location", "saturated_coverage", "graph_cut"])
@pytest.mark.parametrize("seed", range(5))
def test_all_neighbours_give_what_all_pairs_give(name, seed):
    pool = pool_of(RNG(seed).standard_normal((50, 4)).astype(np.float32), seed=seed)
    dense = sample(pool, 50, params(name), 0)
    sparse = sample(pool, 50, params({"name": name, "neighbours": 60}), 0)
    some = np.flatnonzero(dense.scores > 1e-3)[:30]  # later gains may be equal up to rounding, which differs here
    assert sparse.order[some].tolist() == dense.order[some].tolist()
    np.testing.assert_allclose(dense.scores, sparse.scores, atol=1e-4)


def test_similarities_are_cosines_clipped_at_zero_to_float32_precision():
    vectors = RNG(9).standard_normal((700, 48)).astype(np.float16)
    vectors[5] = vectors[3]
    pool = pool_of(vectors * np.float16(7))
    expected = np.maximum(by_hand.cosines(vectors * np.float16(7)), 0)
    ticks = Dense(pool.vectors).matrix
    np.testing.assert_allclose(ticks / 2**24, expected, atol=1e-6)
    assert ticks[3, 5] == ticks[3, 3] == 2**24


def test_fewer_neighbours_count_every_pair_that_either_row_lists():
    vectors = RNG(3).standard_normal((40, 3)).astype(np.float32)
    s = by_hand.clipped(vectors)
    near = np.zeros((40, 40), bool)
    for i in range(40):
        near[i, sorted(range(40), key=lambda j: (j != i, -s[i, j]))[:5]] = True
    value = by_hand.facility_location(np.where(near | near.T, s, 0))
    picked = sample(pool_of(vectors), 15, params({"name": "facility_location", "neighbours": 4}), 0)
    assert picked.scores.sum() == pytest.approx(value(picked.order.tolist()), abs=1e-5)
    assert by_hand.is_greedy(picked.order.tolist(), value, 40, 15, np.arange(40))


@pytest.mark.parametrize("neighbours", [None, 12])
def test_leaving_out_similarities_that_cannot_count_any_more_changes_nothing(neighbours):
    vectors = RNG(0).standard_normal((400, 6)).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = pool_of(units)
    made = (
        Dense(pool.vectors)
        if neighbours is None
        else similarity.similarities(pool.vectors, similarity.SimilarityParams(neighbours=neighbours))
    )
    if isinstance(made, Dense):
        s = made.matrix.copy()
    else:
        s = np.zeros((400, 400), np.int32)
        for i in range(400):
            columns, ticks = made.line(i)
            s[i, columns] = ticks
    objective = FacilityLocation.over(made)
    order = lazy_greedy(Search(objective, np.arange(400)), 150)
    assert isinstance(objective.similarity, Sparse)
    assert len(objective.similarity.values) < np.count_nonzero(s) / 8
    best = np.zeros(400, np.int64)
    for row in order:
        gains = np.maximum(s.astype(np.int64) - best[:, None], 0).sum(axis=0)
        gains[order[: np.flatnonzero(order == row)[0]]] = -1
        assert gains.argmax() == row
        best = np.maximum(best, s[:, row])


@pytest.mark.parametrize("name", ["facility_location", "saturated_coverage", "graph_cut"])
def test_a_pool_too_large_for_all_pairs_gives_the_same_rows(name, monkeypatch):
    pool = pool_of(RNG(1).standard_normal((900, 8)).astype(np.float32))
    expected = sample(pool, 60, params(name), 0)
    monkeypatch.setattr(similarity, "STORED_ROWS", 100)
    monkeypatch.setattr(similarity, "CACHE_BYTES", 4 * 900 * 80)  # room for 80 lines: nearly all are made anew
    found = sample(pool, 60, params(name), 0)
    assert found.order.tolist() == expected.order.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


@pytest.mark.parametrize("dim", [3, 64, 384])
def test_copies_have_exactly_equal_similarities_wherever_they_lie(dim):
    rows = RNG(2).standard_normal((333, dim)).astype(np.float32)
    made = Dense(pool_of(np.concatenate([rows, rows[::-1]])).vectors).matrix
    np.testing.assert_array_equal(made, made.T)
    np.testing.assert_array_equal(made[:333], made[333:][::-1])


@pytest.mark.parametrize("stored_rows", [20_000, 0])
def test_similarities_are_exact_sums_of_whole_numbers_and_so_the_same_on_every_machine(stored_rows, monkeypatch):
    monkeypatch.setattr(similarity, "STORED_ROWS", stored_rows)
    vectors = pool_of(RNG(2).standard_normal((600, 384)).astype(np.float32)).vectors
    whole = (similarity.unit_rows(vectors).astype(np.float64) * 2**26).astype(np.int64)
    ticks = (np.maximum(whole @ whole.T, 0) + 2**27) >> 28
    ticks[ticks >= 2**24 - 8] = 2**24
    found = Dense(vectors)
    for part, lines in found.parts(np.arange(600)):
        np.testing.assert_array_equal(found.matrix[lines], ticks[part])


def test_the_stochastic_order_keeps_its_bound_for_every_budget_at_once():
    epsilon, reached = 0.1, []
    vectors = RNG(4).standard_normal((60, 3)).astype(np.float32)
    value = by_hand.facility_location(by_hand.clipped(vectors))
    exact = sample(pool_of(vectors), 20, params(), 0).scores.cumsum()
    for seed in range(10):
        picked = sample(pool_of(vectors), 20, params(epsilon=epsilon), seed)
        assert picked.scores.sum() == pytest.approx(value(picked.order.tolist()), abs=1e-4)
        reached.append(picked.scores.cumsum())
    # The exact greedy is at most the optimum: the mean must be at least (1 - 1/e - epsilon) of it, and is far above.
    assert (np.mean(reached, axis=0) >= 0.9 * exact).all()
    assert len({tuple(r) for r in reached}) > 1


def test_a_tiny_epsilon_looks_at_everything_for_longer_than_there_are_rows():
    vectors = RNG(5).standard_normal((30, 3)).astype(np.float32)
    assert sample(pool_of(vectors), 30, params(epsilon=1e-20), 7).order.tolist() == (
        sample(pool_of(vectors), 30, params(), 0).order.tolist()
    )


def test_existing_rows_count_as_chosen_and_are_not_returned():
    vectors = planes(8, 12)
    pool = pool_of(vectors, eligible=np.arange(12) != 3)
    value = by_hand.facility_location(by_hand.clipped(vectors))
    picked = sample(pool, 20, params(existing=("00003", "00007")), 0)
    assert sorted([3, 7, *picked.order.tolist()]) == list(range(12))
    for b in (1, 4, 10):
        gained = value([3, 7, *picked.order[:b].tolist()]) - value([3, 7])
        assert picked.scores[:b].sum() == pytest.approx(gained, abs=1e-5)
    with pytest.raises(ValueError, match="'nope' is not in the pool"):
        sample(pool, 1, params(existing=("nope",)), 0)


@every_objective
@pytest.mark.parametrize("seed", range(5))
def test_the_whole_is_what_all_rows_are_worth_before_redundancy_is_taken_off(case, seed):
    vectors, has = planes(seed, 9), tags(seed, 9)
    spec, value = CASES[case](vectors, has)
    if case == "graph_cut":
        value = by_hand.graph_cut(by_hand.clipped(vectors), 0)
    chosen = params(spec)
    objective = OBJECTIVES[chosen.objective.name](pool_of(vectors, has), chosen.objective.params)
    expected = pytest.approx(value(range(9)), abs=1e-4)
    assert objective.whole == expected
    objective.add(3)
    assert objective.whole == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 10), budget=st.integers(1, 10))
def test_normalised_terms_are_the_mean_coverage_of_the_pool_and_the_mean_score_of_the_subset(seed, n, budget):
    vectors, scores = planes(seed, n), RNG(seed).integers(0, 9, n) * 100.0 - 300
    value = by_hand.facility_location(by_hand.clipped(vectors))
    spread = scores - scores.min()
    ranged = spread / max(spread.max(), 1)
    pool = pool_of(vectors, seed=seed, scores=scores)
    picked = sample(pool, budget, params(alpha=0.7, by="x", normalise=True), 0)
    b = min(budget, n)
    assert by_hand.is_greedy(picked.order.tolist(), value, n, b, pool.ties, bonus=0.7 * ranged * n / b)
    means = value(picked.order.tolist()) / n + 0.7 * ranged[picked.order].mean()
    assert picked.scores.sum() / n == pytest.approx(means, abs=1e-5)


def worlds(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sixty rows in five directions that some of them lean away from, and their scores."""
    rng = RNG(seed)
    return np.abs(np.eye(5)[rng.integers(0, 5, 60)] + rng.normal(0, 0.4, (60, 5))), rng.random(60)


@pytest.mark.parametrize("alpha", [0.2, 1, 5])
@pytest.mark.parametrize("seed", range(3))
def test_one_alpha_picks_the_same_trade_off_on_a_pool_and_on_its_twofold_copy(seed, alpha):
    rows, scores = worlds(seed)
    asked = params(alpha=alpha, by="x", normalise=True)
    alone = sample(pool_of(rows, scores=scores), 8, asked, 0)

    # The copy says the same again: every row covers twice as many. (A copy of a good row would be good once more.)
    again = pool_of(np.tile(rows, (2, 1)), scores=np.concatenate([scores, np.full(60, scores.min())]))
    assert sample(again, 8, asked, 0).order.tolist() == alone.order.tolist()

    # The copy speaks of something else: each half wants the same rows, for twice the budget.
    away = np.zeros_like(rows)
    apart = pool_of(np.block([[rows, away], [away, rows]]), scores=np.tile(scores, 2))
    both = sample(apart, 16, asked, 0).order
    assert sorted(both[both < 60]) == sorted(alone.order)
    assert sorted(both[both >= 60] - 60) == sorted(alone.order)


def test_without_normalising_alpha_means_less_the_more_often_the_pool_says_the_same():
    rows, scores = worlds(0)
    asked = params(alpha=3, by="x")
    alone = sample(pool_of(rows, scores=scores), 8, asked, 0)
    many = np.concatenate([scores, np.full(60 * 19, scores.min())])
    often = sample(pool_of(np.tile(rows, (20, 1)), scores=many), 8, asked, 0)
    assert scores[often.order % 60].mean() < scores[alone.order].mean() - 0.1


def test_scores_without_a_range_leave_the_objective_alone_and_infinite_ones_are_refused():
    rows, _ = worlds(1)
    asked = params(alpha=3, by="x", normalise=True)
    plain = sample(pool_of(rows), 8, params(), 0)
    tied = sample(pool_of(rows, scores=np.full(60, 4.0)), 8, asked, 0)
    assert tied.order.tolist() == plain.order.tolist()
    with pytest.raises(ValueError, match=r"from 0\.0 to inf have no range .* leave 'normalise' out"):
        sample(pool_of(rows, scores=np.where(np.arange(60) == 7, np.inf, 0)), 8, asked, 0)


def test_rows_that_were_not_chosen_tell_an_upper_bound_of_what_they_would_add():
    vectors = RNG(6).standard_normal((80, 4)).astype(np.float32)
    value = by_hand.facility_location(by_hand.clipped(vectors))
    picked = sample(pool_of(vectors), 10, params(), 0)
    chosen = picked.order.tolist()
    rest = np.setdiff1d(np.arange(80), chosen)
    assert picked.row_scores[rest].max() <= picked.scores[-1] + 1e-6
    for row in rest.tolist():
        assert picked.row_scores[row] >= value([*chosen, row]) - value(chosen) - 1e-5


def test_when_nothing_adds_anything_the_rest_follow_by_row_id_or_by_score():
    pool = pool_of(np.repeat(np.eye(3, dtype=np.float16), 4, axis=0), scores=np.arange(12.0))
    assert sample(pool, 12, params(), 0).order.tolist() == [0, 4, 8, 1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert sample(pool, 12, params(alpha=0.01, by="x"), 0).order[3:].tolist() == [10, 9, 8, 6, 5, 4, 2, 1, 0]


def test_log_det_is_the_greedy_map_inference_of_a_determinantal_point_process():
    vectors, ridge = RNG(7).standard_normal((40, 5)).astype(np.float32), 0.05
    kernel = by_hand.cosines(vectors) + ridge * np.eye(40)
    # Chen et al. 2018, Algorithm 1: one line of the Cholesky factor per pick.
    factor, left, order = np.zeros((40, 0)), kernel.diagonal().copy(), []
    for _ in range(25):
        row = int(np.argmax(np.where(np.isin(np.arange(40), order), -np.inf, np.round(left, 12))))
        order.append(row)
        line = (kernel[row] - factor @ factor[row]) / np.sqrt(left[row])
        factor = np.column_stack([factor, line])
        left = left - line**2
    picked = sample(pool_of(vectors), 25, params({"name": "log_det", "ridge": ridge}), 0)
    assert picked.order.tolist() == order


def test_a_custom_objective_is_one_class_and_one_line(monkeypatch):
    class LongestFirst:
        """The number of different letters in the texts."""

        Params = NoParams
        REQUIRES = frozenset({"texts"})
        batch = 1

        def __init__(self, pool: Candidates, params: NoParams) -> None:
            self.letters = [set(text) for text in pool.texts]
            self.n, self.seen = pool.n, set()

        def gains(self, rows: np.ndarray) -> np.ndarray:
            return np.array([float(len(self.letters[row] - self.seen)) for row in rows])

        def add(self, row: int) -> None:
            self.seen |= self.letters[row]

    monkeypatch.setitem(OBJECTIVES, "letters", LongestFirst)
    pool = Candidates(np.array(list("abcd")), texts=np.array(["xy", "xyz", "uv", "z"], dtype=object))
    picked = sample(pool, 4, params("letters"), 0)
    assert picked.order.tolist() == [1, 2, 0, 3]
    assert picked.scores.tolist() == [3, 2, 0, 0]
    assert requires("greedy", params("letters")) == {"texts"}


def test_needs_follow_from_the_parameters():
    assert requires("greedy", params()) == {"vectors"}
    assert requires("greedy", params("tag_coverage", alpha=1, by="quality")) == {"tags", "scores"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"objective": "facilty"}, "'facilty' is not known: allowed are cascade, facility_location"),
        ({"objective": {"name": "graph_cut", "saturation": 1}}, "unknown key 'saturation' for objective graph_cut"),
        ({"objective": {"name": "graph_cut", "redundancy": -1}}, "redundancy of objective graph_cut"),
        ({"alpha": 1}, "give both or neither"),
        ({"normalise": True}, "give 'alpha' and 'by' too"),
        ({"epsilon": 1.0}, "less than 1"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(raw, message):
    with pytest.raises(ValidationError, match=message):
        Params.model_validate(raw)


def test_parameters_survive_being_written_down():
    spec = params({"name": "graph_cut", "redundancy": 1, "neighbours": 9}, epsilon=0.1)
    assert Params.model_validate(spec.model_dump()) == spec
    assert "normalise" not in spec.model_dump()
    means = params(alpha=1, by="x", normalise=True)
    assert Params.model_validate(means.model_dump()) == means
    assert greedy.Params is Params


def test_a_cost_that_is_not_positive_is_named():
    pool = pool_of(np.eye(2, dtype=np.float32), costs=np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"row '00001' costs 0\.0"):
        sample(pool, 1, params(), 0)
