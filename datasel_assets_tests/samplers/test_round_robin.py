import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, round_robin
from datasel_assets.samplers.best_per_query import TopLists
from datasel_assets.samplers.round_robin import Params, sample

RULES = ("lose_turn", "advance", "global_max", "task_round_robin")

GOLDEN = np.array(
    [[0.9, 0.8, 0.7, 0.1, 0, 0.2], [0.95, 0.6, 0.1, 0.5, 0.4, 0], [0.2, 0.9, 0.3, 0.85, 0.1, 0]], dtype=np.float32
)


def golden_pool() -> Candidates:
    """Rows whose coordinates are the scores of the worked example, and unit queries that read them off."""
    return Candidates(np.array(list("abcdef")), vectors=ArrayVectors(GOLDEN.T), queries=np.eye(3, dtype=np.float32))


def by_hand(scores: np.ndarray, ties: np.ndarray, budget: int, rule: str, tasks: list) -> list[tuple[int, int]]:
    """The rules played turn by turn over fully sorted lists: (row, query) picks."""
    members = [[q] for q in range(len(scores))]
    if rule == "global_max":
        members = [list(range(len(scores)))]
    elif rule == "task_round_robin":
        members = [[q for q, task in enumerate(tasks) if task == own] for own in dict.fromkeys(tasks)]
    lists = [np.lexsort((ties, -scores[own].max(axis=0))).tolist() for own in members]
    at, taken, picks = [0] * len(lists), set(), []
    while len(picks) < min(budget, scores.shape[1]):
        for turn, own in enumerate(members):
            if len(picks) == budget:
                break
            while rule == "advance" and at[turn] < len(lists[turn]) and lists[turn][at[turn]] in taken:
                at[turn] += 1
            if at[turn] == len(lists[turn]):
                continue
            row = lists[turn][at[turn]]
            at[turn] += 1
            if row not in taken:
                taken.add(row)
                picks.append((row, own[int(scores[own, row].argmax())]))
    return picks


@pytest.mark.parametrize(
    ("rule", "budget", "expected"),
    [
        ("lose_turn", 5, [0, 1, 3, 2, 5]),
        ("lose_turn", 6, [0, 1, 3, 2, 5, 4]),
        ("advance", 5, [0, 1, 3, 2, 4]),
        ("global_max", 5, [0, 1, 3, 2, 4]),
    ],
)
def test_the_worked_example(rule, budget, expected):
    """CRDS-T10, golden."""
    assert sample(golden_pool(), budget, Params(rule=rule), 0).order.tolist() == expected


def test_the_query_whose_turn_took_a_row_and_its_similarity_are_reported():
    picked = sample(golden_pool(), 6, Params(), 0)
    assert picked.selected_for.tolist() == [0, 2, 2, 0, 0, 1]
    np.testing.assert_array_equal(picked.scores, GOLDEN[picked.selected_for, picked.order])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sample_rows", [round_robin.SAMPLE_ROWS, 5])
@settings(max_examples=80)
@given(data=st.data())
def test_every_rule_equals_its_play_by_hand(rule, sample_rows, data):
    """CRDS-T10: loop against rank key on ties; a sample of 5 rows makes bad guesses of the depth."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, t, dim = (data.draw(st.integers(1, top)) for top in (50, 6, 4))
    vectors = rng.integers(-2, 3, (n, dim)).astype(np.float16)
    vectors[(vectors == 0).all(axis=1)] = 1
    queries = rng.integers(-1, 2, (t, dim)).astype(np.float32)
    tasks = rng.integers(0, 3, t).tolist()
    pool = Candidates(
        np.array([f"{i:03d}" for i in rng.permutation(n)]),
        vectors=ArrayVectors(vectors),
        queries=queries,
        query_tasks=np.array(tasks),
    )
    budget = data.draw(st.integers(0, n + 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_robin, "SAMPLE_ROWS", sample_rows)
        picked = sample(pool, budget, Params(rule=rule), 0)
    scores = (queries @ vectors.astype(np.float32).T).astype(np.float32)
    expected = by_hand(scores, pool.ties, budget, rule, tasks)
    assert picked.order.tolist() == [row for row, _ in expected]
    assert picked.selected_for.tolist() == [query for _, query in expected]
    np.testing.assert_array_equal(picked.scores, scores[picked.selected_for, picked.order])


def test_a_single_query_takes_its_best_rows():
    vectors = np.random.default_rng(0).standard_normal((100, 5)).astype(np.float32)
    pool = Candidates(np.array([f"{i:03d}" for i in range(100)]), vectors=ArrayVectors(vectors), queries=vectors[:1])
    expected = np.argsort(-(vectors @ vectors[0]), kind="stable")[:30]
    assert sample(pool, 30, Params(), 0).order.tolist() == expected.tolist()


def test_a_repeated_query_takes_nothing_new_but_uses_up_turns():
    rng = np.random.default_rng(1)
    vectors, queries = rng.standard_normal((60, 6)).astype(np.float32), rng.standard_normal((2, 6)).astype(np.float32)
    ids = np.array([f"{i:02d}" for i in range(60)])
    repeated = queries[[0, 0, 1]]
    picked = sample(Candidates(ids, vectors=ArrayVectors(vectors), queries=repeated), 20, Params(), 0)
    assert set(picked.selected_for.tolist()) == {0, 2}
    scores = (repeated.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    expected = by_hand(scores, np.arange(60), 20, "lose_turn", [])
    assert list(zip(picked.order.tolist(), picked.selected_for.tolist(), strict=True)) == expected


def counted(monkeypatch, n: int) -> list[int]:
    """Collect the depth of every pass over a pool of n rows."""
    depths: list[int] = []
    plain = round_robin.top_lists

    def spy(vectors, queries, depth, *args, **options):
        if vectors.n == n:
            depths.append(depth)
        return plain(vectors, queries, depth, *args, **options)

    monkeypatch.setattr(round_robin, "top_lists", spy)
    return depths


def crowded(n: int = 4000, t: int = 12) -> Candidates:
    """Queries that all want the same rows, so the lists must go far deeper than budget / queries."""
    rng = np.random.default_rng(3)
    queries = np.ones((t, 8)) + 0.01 * rng.standard_normal((t, 8))
    ids = np.array([f"{i:05d}" for i in range(n)])
    vectors = rng.standard_normal((n, 8)).astype(np.float16)
    return Candidates(ids, vectors=ArrayVectors(vectors), queries=queries.astype(np.float32))


@pytest.mark.parametrize("rule", ["lose_turn", "advance"])
def test_lists_grow_until_they_decide_every_turn(rule, monkeypatch):
    pool = crowded()
    depths = counted(monkeypatch, pool.n)
    picked = sample(pool, 600, Params(rule=rule), 0)
    assert len(depths) > 1
    assert depths == sorted(depths)
    scores = (pool.queries.astype(np.float64) @ pool.vectors.array.astype(np.float64).T).astype(np.float32)
    assert picked.order.tolist() == [row for row, _ in by_hand(scores, pool.ties, 600, rule, [])]


@pytest.mark.parametrize("planted", [-1, 4], ids=["far too low", "far too high"])
def test_a_misleading_sample_costs_time_but_never_changes_the_result(planted, monkeypatch):
    pool = crowded()
    array = pool.vectors.array.copy()
    array[np.linspace(0, pool.n - 1, 40).astype(np.int64)] = planted  # just the rows that a sample of 40 will see
    misled = Candidates(pool.row_ids, vectors=ArrayVectors(array), queries=pool.queries)
    expected = sample(misled, 600, Params(), 0).order
    monkeypatch.setattr(round_robin, "SAMPLE_ROWS", 40)
    depths = counted(monkeypatch, pool.n)
    np.testing.assert_array_equal(sample(misled, 600, Params(), 0).order, expected)
    assert (len(depths) > 1) == (planted == 4)


@pytest.mark.parametrize("rule", ["lose_turn", "advance"])
def test_one_list_that_ends_too_early_is_noticed(rule, monkeypatch):
    rng = np.random.default_rng(4)
    array = rng.standard_normal((4000, 8)).astype(np.float16)
    seen = np.linspace(0, 3999, 40).astype(np.int64)
    array[seen] = 0
    array[seen, 0] = 9  # the sample holds the favourites of query 0 and nothing of note for the others
    ids, queries = np.array([f"{i:05d}" for i in range(4000)]), np.eye(4, 8, dtype=np.float32)
    monkeypatch.setattr(round_robin, "SAMPLE_ROWS", 40)
    pool = Candidates(ids, vectors=ArrayVectors(array), queries=queries)
    depths = counted(monkeypatch, pool.n)
    picked = sample(pool, 600, Params(rule=rule), 0)
    assert len(depths) > 1
    expected = by_hand(queries @ array.astype(np.float32).T, pool.ties, 600, rule, [])
    assert picked.order.tolist() == [row for row, _ in expected]


@pytest.mark.parametrize("rule", ["lose_turn", "advance"])
def test_lists_of_any_length_give_the_exact_result_or_say_that_they_are_too_short(rule):
    for seed in range(600):
        certify(rule, np.random.default_rng(seed))


def certify(rule: str, rng: np.random.Generator) -> None:
    n, t = int(rng.integers(2, 26)), int(rng.integers(1, 5))
    scores, ties = rng.integers(0, 5, (t, n)).astype(np.float32), rng.permutation(n)
    lengths = rng.integers(1, n + 1, t)
    orders = [np.lexsort((ties, -own))[:length] for own, length in zip(scores, lengths, strict=True)]
    lists = TopLists(
        rows=orders,
        scores=[own[order] for own, order in zip(scores, orders, strict=True)],
        queries=[np.full(len(order), q, np.int32) for q, order in enumerate(orders)],
        usable=n,
        max_norm=1.0,
    )
    budget = int(rng.integers(1, n + 1))
    plan = round_robin._Plan(np.arange(t), np.arange(t), np.arange(t), advance=rule == "advance")
    play = round_robin._advance if plan.advance else round_robin._lose_turn
    picks, found = play(lists, plan, budget, n)
    if picks is None:
        assert found < budget
        assert min(lengths) < n
    else:
        assert picks.rows.tolist() == [row for row, _ in by_hand(scores, ties, budget, rule, [])]


def test_a_large_pool_needs_one_pass_in_the_usual_case(monkeypatch):
    rng = np.random.default_rng(0)
    n = 3 * round_robin.SAMPLE_ROWS
    vectors = rng.standard_normal((n, 16)).astype(np.float16)
    queries = rng.standard_normal((40, 16)).astype(np.float32)
    pool = Candidates(np.char.mod("%06d", np.arange(n)), vectors=ArrayVectors(vectors), queries=queries)
    depths = counted(monkeypatch, n)
    picked = sample(pool, 1500, Params(), 0)
    assert len(depths) == 1
    keys = np.full(n, n * 40)
    for query, own in enumerate((queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)):
        rank = np.empty(n, np.int64)
        rank[np.argsort(-own, kind="stable")] = np.arange(n)
        keys = np.minimum(keys, rank * 40 + query)
    assert picked.order.tolist() == np.argsort(keys, kind="stable")[:1500].tolist()


def test_a_query_that_is_not_finite_is_named():
    queries = np.ones((3, 2), np.float32)
    queries[1, 0] = np.nan
    pool = Candidates(np.array(["a"]), vectors=ArrayVectors(np.ones((1, 2))), queries=queries)
    with pytest.raises(ValueError, match="query 1 has a value that is not finite"):
        sample(pool, 1, Params(), 0)


def test_task_round_robin_without_tasks_is_refused():
    pool = Candidates(np.array(["a"]), vectors=ArrayVectors(np.ones((1, 2))), queries=np.ones((1, 2)))
    with pytest.raises(ValueError, match="needs the task of each query"):
        sample(pool, 1, Params(rule="task_round_robin"), 0)


def test_every_task_gets_its_turn_however_many_queries_it_has():
    vectors = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
    vectors += 0.01 * np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
    queries = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1]], np.float32)
    ids = np.array([f"{i:02d}" for i in range(40)])
    tasks = np.array(["sums", "sums", "sums", "code"])
    pool = Candidates(ids, vectors=ArrayVectors(vectors), queries=queries, query_tasks=tasks)
    picked = sample(pool, 20, Params(rule="task_round_robin"), 0)
    assert (picked.order % 2).tolist() == [0, 1] * 10
