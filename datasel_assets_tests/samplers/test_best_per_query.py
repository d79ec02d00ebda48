import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors, SubsetVectors
from datasel_assets.samplers import best_per_query
from datasel_assets.samplers.best_per_query import nearest_query, top_lists


def exact(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Scores (t, n) as they are defined: float64 products rounded to float32."""
    return (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)


def full_sort(scores: np.ndarray, ties: np.ndarray, usable: np.ndarray) -> np.ndarray:
    order = np.lexsort((ties, -scores))
    return order[usable[order]]


@st.composite
def problems(draw: st.DrawFn) -> dict:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, dim, t = draw(st.integers(1, 60)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    if draw(st.booleans()):
        vectors = rng.integers(-2, 3, (n, dim)).astype(np.float16)  # many ties, some zero rows
    else:
        vectors = rng.standard_normal((n, dim)).astype(draw(st.sampled_from([np.float16, np.float32])))
    groups = np.unique(rng.integers(0, t, t), return_inverse=True)[1] if draw(st.booleans()) else None
    return {
        "vectors": vectors,
        "queries": rng.integers(-1, 2, (t, dim)).astype(np.float32),
        "depth": draw(st.integers(1, n + 3)),
        "ties": rng.permutation(n),
        "groups": groups,
        "eligible": rng.random(n) < 0.8,
        "block": draw(st.integers(1, 64)),
        "floor": draw(st.sampled_from([None, -1.0, 0.0, 1.0])),
    }


@pytest.mark.parametrize("spare", [best_per_query.SPARE_ENTRIES, 0])
@settings(max_examples=150)
@given(problem=problems())
def test_streamed_lists_equal_a_full_sort_for_any_block_size(spare, problem):
    """CRDS-T11. With no spare entries every block is cut back, so the cutting is exercised too."""
    p = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best_per_query, "SPARE_ENTRIES", spare)
        n_lists = len(p["queries"]) if p["groups"] is None else int(p["groups"].max()) + 1
        lists = top_lists(
            ArrayVectors(p["vectors"]),
            p["queries"],
            p["depth"],
            p["ties"],
            groups=p["groups"],
            eligible=p["eligible"],
            floors=None if p["floor"] is None else np.full(n_lists, p["floor"]),
            max_norm=10.0,
            rows_per_block=p["block"],
        )
    usable = p["eligible"] & (p["vectors"] != 0).any(axis=1)
    assert lists.usable == usable.sum()
    scores = exact(p["vectors"], p["queries"])
    members = np.arange(len(scores)) if p["groups"] is None else p["groups"]
    for index in range(n_lists):
        mine = np.flatnonzero(members == index)
        best = scores[mine].max(axis=0)
        order = full_sort(best, p["ties"], usable)
        length = len(lists.rows[index])
        if p["floor"] is None:
            assert length == min(p["depth"], usable.sum())
        else:
            assert length >= min(p["depth"], (usable & (best > p["floor"])).sum())
        np.testing.assert_array_equal(lists.rows[index], order[:length])
        np.testing.assert_array_equal(lists.scores[index], best[order[:length]])
        np.testing.assert_array_equal(lists.queries[index], mine[scores[mine].argmax(axis=0)][order[:length]])


def test_lists_do_not_depend_on_the_order_in_which_shards_arrive():
    """CRDS-T11 at a size where float32 products do differ between blocks."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 96)).astype(np.float32)
    vectors[1500:] = vectors[:1500]  # every row twice: its copies must tie wherever they lie
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, ties = vectors[:7] + 0.1, np.arange(3000)
    reference = top_lists(ArrayVectors(vectors), queries, 200, ties)
    for seed, block in ((1, 17), (2, 256), (3, 3000)):
        moved = np.random.default_rng(seed).permutation(3000)
        lists = top_lists(SubsetVectors(ArrayVectors(vectors), moved), queries, 200, ties[moved], rows_per_block=block)
        for expected, rows, scores, others in zip(
            reference.rows, lists.rows, lists.scores, reference.scores, strict=True
        ):
            np.testing.assert_array_equal(moved[rows], expected)
            np.testing.assert_array_equal(scores, others)


def test_a_flood_of_equal_scores_is_cut_by_row_id(monkeypatch):
    monkeypatch.setattr(best_per_query, "SPARE_ENTRIES", 0)
    vectors = np.full((500, 8), 0.25, np.float16)
    ties = np.random.default_rng(0).permutation(500)
    lists = top_lists(ArrayVectors(vectors), np.ones((3, 8), np.float32), 5, ties, rows_per_block=20)
    for rows in lists.rows:
        assert ties[rows].tolist() == [0, 1, 2, 3, 4]


def test_large_coordinates_neither_overflow_nor_vanish_and_a_zero_row_is_never_listed():
    """CRDS-T9: the reference normalises in float16 and turns this row into zeros, and a zero row into NaN."""
    vectors = np.zeros((3, 4086), np.float16)
    vectors[1], vectors[2] = 2000.0, 1.0
    lists = top_lists(ArrayVectors(vectors), np.ones((1, 4086), np.float32), 3, np.arange(3))
    assert lists.rows[0].tolist() == [1, 2]
    assert lists.scores[0].tolist() == [2000.0 * 4086, 4086.0]
    assert lists.usable == 2


def test_a_zero_query_lists_rows_by_id():
    lists = top_lists(
        ArrayVectors(np.eye(4, dtype=np.float16)), np.zeros((1, 4), np.float32), 3, np.array([3, 1, 0, 2])
    )
    assert lists.rows[0].tolist() == [2, 1, 3]


def test_tiny_vectors_whose_products_underflow_are_still_ordered_exactly():
    vectors = np.array([[1e-20, 2e-20], [1e-20, 1e-20], [3e-20, 0]], np.float32)
    lists = top_lists(ArrayVectors(vectors), np.full((1, 2), 1e-24, np.float32), 3, np.arange(3))
    assert (
        lists.rows[0].tolist()
        == full_sort(exact(vectors, np.full((1, 2), 1e-24, np.float32))[0], np.arange(3), np.ones(3, bool)).tolist()
    )


def test_the_score_matrix_is_never_held():
    import tracemalloc

    rng = np.random.default_rng(0)
    n, t = 60_000, 200
    vectors = ArrayVectors(rng.standard_normal((n, 8)).astype(np.float16))
    queries = rng.standard_normal((t, 8)).astype(np.float32)
    ties = np.arange(n)
    tracemalloc.start()
    try:
        top_lists(vectors, queries, 50, ties)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * t * 4 / 2


@settings(max_examples=100)
@given(problem=problems(), offset=st.sampled_from([None, "finite", "infinite"]))
def test_the_nearest_query_is_the_best_by_score_minus_offset(problem, offset):
    p = problem
    t = len(p["queries"])
    offsets = None if offset is None else np.round(np.random.default_rng(0).standard_normal(t), 1)
    if offset == "infinite":
        offsets[: t - 1] = np.inf
    got, query = nearest_query(
        ArrayVectors(p["vectors"]), p["queries"], offsets=offsets, eligible=p["eligible"], rows_per_block=p["block"]
    )
    usable = p["eligible"] & (p["vectors"] != 0).any(axis=1)
    scores = exact(p["vectors"], p["queries"])
    value = scores.astype(np.float64) - (0 if offsets is None else offsets[:, None])
    best = value.argmax(axis=0)
    np.testing.assert_array_equal(query[usable], best[usable])
    np.testing.assert_array_equal(got[usable], scores[best, np.arange(len(best))][usable])
    assert np.isnan(got[~usable]).all()
    assert (query[~usable] == -1).all()
