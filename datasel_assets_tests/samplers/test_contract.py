"""The contract of ``samplers.base`` for every name in ``SAMPLERS``: a new sampler joins by its registry line."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.sparse import csr_array

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import SAMPLERS, Candidates, keeps_prefix, requires
from datasel_assets.samplers.base import Sample
from datasel_assets.samplers.candidates import Tags

# Parameter sets per sampler; a sampler that is not named here is checked with its defaults.
VARIANTS: dict[str, list[dict]] = {
    "round_robin": [{"rule": rule} for rule in ("lose_turn", "advance", "global_max", "task_round_robin")],
    "greedy": [
        {},
        {"objective": {"name": "facility_location", "neighbours": 64}, "cost_scaled": False},
        {"objective": {"name": "saturated_coverage", "saturation": 0.3}, "epsilon": 0.2},
        {"objective": {"name": "graph_cut", "redundancy": 1.0}},
        {"objective": {"name": "tag_coverage", "concave": "log"}, "alpha": 0.5, "by": "x"},
        {"objective": "tag_coverage", "cost_scaled": False},
        {"objective": {"name": "log_det", "ridge": 0.01}},
        {"objective": {"name": "cascade", "neighbours": 3, "graphs": 5}},
        {"alpha": 2.0, "by": "x", "epsilon": 0.5},
        {"alpha": 0.5, "by": "x", "normalise": True},
    ],
    "kcenter": [{"init": init} for init in ("medoid", "random", "farthest_pair", "medoids")],
    "topk": [
        {"by": "x"},
        {"by": "x", "tau": 1.5},
        {"by": "x", "tau": 0.5, "weights": "normalised"},
        {"by": "x", "tau": 2, "replace": True, "weights": "unbiased"},
    ],
    "band": [
        {"by": "x", "low": 1, "first": "low"},
        {"by": "x", "low": 0.2, "high": 0.7, "unit": "percentile", "first": "high"},
    ],
    "best_of_clusters": [{"by": "x"}, {"by": "x", "percentile": 0, "variance": 0.5}, {"by": "x", "lower": False}],
    "match_mean": [
        {},
        {"toward": "target"},
        {"weights": True},
        {"weights": True, "toward": "target", "ridge": 0.5},
        {"weights": True, "by": "x"},
        {"by": "x"},
    ],
    "thin": [
        {"by": "x", "threshold": 0.871},
        {"by": "x", "threshold": 0.871, "against": "earlier", "fill": "order"},
        {"accept": "tags"},
        {"accept": "tags", "fill": "rounds"},
        {"by": "x", "accept": "lexical", "threshold": 0.6, "fill": "order"},
        {"by": "x", "accept": "lexical", "overlap": "jaccard", "words": 2, "threshold": 0.2},
    ],
    "mig": [{}, {"by": "x", "norm": True}, {"by": "x", "gain": "exact"}, {"phi": "exp", "gain": "exact", "b": 0.5}],
    "ordered_clusters": [{"min_rows": 3}, {"min_rows": 2, "quota": "sqrt"}, {"min_rows": 2, "noise": "out"}],
    "score_ranges": [{"by": "x"}, {"by": "x", "ranges": 2}],
    "rounds": [
        {"rounds": 3, "inner": {"sampler": "topk", "by": "x"}},
        {"rounds": 2, "draw": "in_order", "inner": {"sampler": "kcenter"}},
    ],
    "stratify": [
        {"quota": "proportional"},
        {"quota": "equal", "inner": {"sampler": "longest"}},
        {"quota": "sqrt", "inner": {"sampler": "round_robin"}},
        {"quota": "weights", "weights": {"default": 1.0, "a": 2.5}, "inner": {"sampler": "kcenter"}},
        {"quota": "equal", "limits": {"a": {"min_rows": 2}}},
        {"quota": "equal", "inner": {"sampler": "greedy", "objective": "graph_cut"}},
        {"quota": "equal", "repeat": 3, "inner": {"sampler": "match_mean", "weights": True}},
        {"quota": "proportional", "inner": {"sampler": "thin", "by": "x", "against": "earlier", "threshold": 0.871}},
        {"quota": "sqrt", "inner": {"sampler": "band", "by": "x", "high": 3, "first": "high"}},
        {"quota": "equal", "inner": {"sampler": "best_of_clusters", "by": "x"}},
    ],
}
CASES = [(name, variant) for name in SAMPLERS for variant in VARIANTS.get(name, [{}])]


def every_sampler(test: Callable) -> Callable:
    return pytest.mark.parametrize(("name", "raw"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])(test)


@st.composite
def pools(draw: st.DrawFn) -> Candidates:
    """Small pools full of ties, duplicate rows, zero vectors and ineligible rows."""
    n = draw(st.integers(1, 24))
    dim = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = rng.integers(-2, 3, (n, dim)) if draw(st.booleans()) else rng.standard_normal((n, dim))
    t = draw(st.integers(1, 4))
    scores = rng.integers(0, 4, n).astype(np.float64)
    scores[rng.random(n) < 0.1] = np.nan
    labels = draw(st.integers(1, 6))
    similar = np.triu(rng.random((labels, labels)) * (rng.random((labels, labels)) < 0.4), 1)
    return Candidates(
        row_ids=np.array([f"row-{i:03d}" for i in rng.permutation(n)]),
        eligible=rng.random(n) < 0.8 if draw(st.booleans()) else None,
        scores=scores,
        groups=rng.choice(["a", "b", "c"], n),
        vectors=ArrayVectors(vectors.astype(draw(st.sampled_from([np.float16, np.float32])))),
        queries=rng.integers(-1, 2, (t, dim)).astype(np.float32),
        query_tasks=rng.integers(0, 2, t),
        tags=tags_of(rng.random((n, labels)) < 0.4),
        label_graph=csr_array(similar + similar.T),
        texts=np.array([" ".join(rng.choice(list("abcdef"), rng.integers(0, 6))) for _ in range(n)], dtype=object),
        costs=rng.integers(1, 5, n).astype(np.float64) if draw(st.booleans()) else None,
    )


def tags_of(has: np.ndarray) -> Tags:
    """Tags from a table (n, labels) of bools."""
    return Tags(np.concatenate([[0], has.sum(axis=1).cumsum()]), np.nonzero(has)[1].astype(np.int32), has.shape[1])


def plain(n: int, vectors: np.ndarray | None = None, eligible: np.ndarray | None = None) -> Candidates:
    """A pool of n rows that only their ids tell apart."""
    return Candidates(
        row_ids=np.array([f"{i:02d}" for i in range(n)], dtype=np.str_),
        eligible=eligible,
        scores=np.ones(n),
        groups=np.array(["a"] * n, dtype=np.str_),
        vectors=ArrayVectors(np.full((n, 3), 0.5, np.float32) if vectors is None else vectors),
        queries=np.ones((2, 3), np.float32),
        query_tasks=np.array([0, 1]),
        tags=tags_of(np.ones((n, 1), bool)),
        label_graph=csr_array((1, 1)),
        texts=np.array(["a b c d"] * n, dtype=object),
    )


def usable(name: str, raw: dict, pool: Candidates) -> np.ndarray:
    """Which rows may be chosen, written out by hand."""
    needs = requires(name, SAMPLERS[name].Params.model_validate(raw))
    mask = np.ones(pool.n, bool) if pool.eligible is None else pool.eligible.copy()
    if "scores" in needs:
        mask &= ~np.isnan(pool.scores)
    if "tags" in needs:
        mask &= np.diff(pool.tags.indptr) > 0
    if "vectors" in needs:
        rows = pool.vectors.take(np.arange(pool.n))
        mask &= np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)
    return mask


def falls_short(name: str, raw: dict) -> bool:
    """Whether usable rows may stay behind because the method leaves them out."""
    own = raw.get("inner", raw) if name == "stratify" else raw
    sampler = own.get("sampler", name)
    if sampler == "ordered_clusters":
        return own.get("noise") == "out"
    return sampler == "band" or (sampler == "thin" and own.get("fill", "none") == "none")


def run(name: str, raw: dict, pool: Candidates, budget: int, seed: int = 0) -> Sample:
    return SAMPLERS[name].sample(pool, budget, SAMPLERS[name].Params.model_validate(raw), seed)


@every_sampler
@settings(max_examples=25)
@given(pool=pools(), budget=st.integers(0, 30))
def test_it_returns_exactly_the_budget_in_distinct_usable_rows(name, raw, pool, budget):
    sample = run(name, raw, pool, budget)
    allowed = usable(name, raw, pool)
    available = len(run(name, raw, pool, pool.n).order) if falls_short(name, raw) else allowed.sum()
    assert len(sample.order) == min(budget, available)
    assert len(set(sample.order.tolist())) == len(sample.order)
    assert allowed[sample.order].all()
    assert sample.order.dtype == np.int64
    assert sample.scores.dtype == np.float32
    assert sample.selected_for.dtype == np.int32
    assert sample.scores.shape == sample.selected_for.shape == sample.order.shape


@every_sampler
@settings(max_examples=15)
@given(pool=pools(), data=st.data())
def test_a_smaller_budget_is_a_prefix(name, raw, pool, data):
    if not keeps_prefix(SAMPLERS[name].Params.model_validate(raw)):
        pytest.skip("there is another subset for every budget")
    full = run(name, raw, pool, pool.n)
    budget = data.draw(st.integers(0, pool.n))
    part = run(name, raw, pool, budget)
    np.testing.assert_array_equal(part.order, full.order[:budget])
    np.testing.assert_array_equal(part.scores, full.scores[:budget])
    np.testing.assert_array_equal(part.selected_for, full.selected_for[:budget])


@every_sampler
@settings(max_examples=15)
@given(pool=pools(), budget=st.integers(0, 30), shuffle=st.randoms(use_true_random=False))
def test_permuting_the_rows_permutes_the_result(name, raw, pool, budget, shuffle):
    permutation = np.array(shuffle.sample(range(pool.n), pool.n))
    moved = pool.subset(permutation)
    before, after = run(name, raw, pool, budget), run(name, raw, moved, budget)
    assert pool.row_ids[before.order].tolist() == moved.row_ids[after.order].tolist()
    np.testing.assert_array_equal(before.scores, after.scores)
    if before.weights is not None:
        np.testing.assert_allclose(before.weights, after.weights, rtol=1e-4, atol=1e-6)


@every_sampler
@settings(max_examples=10)
@given(pool=pools(), seed=st.integers(-5, 2**63))
def test_the_same_seed_gives_the_same_rows(name, raw, pool, seed):
    first, second = (run(name, raw, pool, pool.n // 2, seed) for _ in range(2))
    np.testing.assert_array_equal(first.order, second.order)


@every_sampler
def test_equal_rows_are_all_taken_in_some_order_of_their_ids(name, raw):
    order = run(name, raw, plain(40), 40).order
    if not falls_short(name, raw):
        assert sorted(order.tolist()) == list(range(40))
    inner = raw.get("inner", {}).get("sampler", "random") if name in ("stratify", "rounds") else name
    if name == "rounds" and raw.get("draw", "equal") == "equal":
        inner = "random"
    drawn = name == "score_ranges" or raw.get("tau") or raw.get("epsilon") or "cascade" in str(raw.get("objective"))
    if inner != "random" and not drawn:
        rest = [i for i in order.tolist() if i != order[0]]
        assert rest == sorted(rest)


@every_sampler
def test_an_empty_pool_and_a_pool_without_usable_rows_give_nothing(name, raw):
    for n in (0, 3):
        assert len(run(name, raw, plain(n, eligible=np.zeros(n, bool)), 5).order) == 0


@every_sampler
def test_a_negative_budget_is_refused(name, raw):
    with pytest.raises(ValueError, match="0 or more"):
        run(name, raw, plain(1), -1)


@every_sampler
def test_rows_with_infinite_or_nan_vectors_are_never_chosen(name, raw):
    vectors = np.ones((6, 3), np.float16)
    vectors[1, 0], vectors[3, 1], vectors[4] = np.nan, np.inf, 0
    pool = plain(6, vectors)
    chosen = set(run(name, raw, pool, 6).order.tolist())
    allowed = set(np.flatnonzero(usable(name, raw, pool)).tolist())
    assert chosen <= allowed if falls_short(name, raw) else chosen == allowed


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("stratify", lambda x: {"quota": "weights", "weights": {"a": x}}),
        ("stratify", lambda x: {"repeat": x}),
        ("band", lambda x: {"by": "n_chars", "low": x}),
        ("topk", lambda x: {"by": "n_chars", "tau": x}),
        ("match_mean", lambda x: {"weights": True, "ridge": x}),
        ("greedy", lambda x: {"objective": {"name": "graph_cut", "redundancy": x}}),
        ("greedy", lambda x: {"objective": {"name": "log_det", "ridge": x}}),
    ],
)
def test_a_parameter_that_is_no_finite_number_is_refused(name, raw, number):
    with pytest.raises(ValidationError, match="finite number"):
        SAMPLERS[name].Params.model_validate(raw(number))
