"""MIG against its golden example, closed forms and the greedy algorithm written out with dense matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from datasel_assets.samplers import Candidates, mig
from datasel_assets.samplers.candidates import Tags

GOLDEN_TAGS = [[0], [0, 1], [2], [1, 2], [], [0, 0]]
GOLDEN_SCORES = [10.0, 6.0, 3.0, 2.0, 99.0, 8.0]
GOLDEN_GRAPH = [[1, 0.95, 0], [0.95, 1, 0], [0, 0, 1]]


def pool_of(lists, scores, graph, costs=None) -> Candidates:
    sets = [sorted(set(tags)) for tags in lists]
    indptr = np.cumsum([0, *map(len, sets)])
    indices = np.array([tag for tags in sets for tag in tags], np.int32)
    return Candidates(
        np.array([f"{i:06d}" for i in range(len(lists))], dtype=np.str_),
        scores=np.asarray(scores, float),
        tags=Tags(indptr, indices, len(graph)),
        label_graph=csr_array(np.asarray(graph, float)),
        costs=costs,
    )


def golden(scores=GOLDEN_SCORES) -> Candidates:
    return pool_of(GOLDEN_TAGS, scores, GOLDEN_GRAPH)


def run(pool: Candidates, budget: int, **params):
    return mig.sample(pool, budget, mig.Params.model_validate({"by": "quality", **params}), 0)


def random_pool(n, labels, seed, *, zipf=False, density=0.1) -> Candidates:
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 6, n)
    weights = 1 / np.arange(1, labels + 1) if zipf else np.ones(labels)
    lists = [rng.choice(labels, k, p=weights / weights.sum()).tolist() for k in count]
    graph = np.triu(np.where(rng.random((labels, labels)) < density, rng.uniform(0.9, 1, (labels, labels)), 0), 1)
    return pool_of(lists, rng.gamma(4, 3, n), graph + graph.T + np.eye(labels))


def dense(pool: Candidates, params: mig.Params) -> np.ndarray:
    """U (n, labels): what each row sends to each label, from the definition."""
    graph = pool.label_graph.toarray()
    similar = np.eye(len(graph)) + params.propagation * (graph - np.diag(np.diag(graph)))
    has = np.zeros((pool.n, pool.tags.size))
    for i in range(pool.n):
        has[i, pool.tags.indices[pool.tags.indptr[i] : pool.tags.indptr[i + 1]]] = 1
    scale = pool.scores / np.maximum(has.sum(1), 1) if params.norm else pool.scores
    return scale[:, None] * (has @ (similar / similar.sum(axis=0)))


def naive(pool: Candidates, budget: int, params: mig.Params, start=()) -> tuple[list[int], list[float]]:
    """The greedy rule as printed: every gain anew in every round; continues after the rows ``start``."""
    u = dense(pool, params)
    x = u[list(start)].sum(axis=0)
    left = [i for i in range(pool.n) if pool.tags.counts[i] and i not in start]

    def phi(x):
        return (x + params.a) ** params.b if params.phi == "pow" else 1 - np.exp(-params.rate * x)

    def slope(x):
        if params.phi == "pow":
            return params.b * (x + params.a) ** (params.b - 1)
        return params.rate * np.exp(-params.rate * x)

    order, gains = [], []
    while left and len(order) < budget:
        rows = u[left]
        gain = rows @ slope(x) if params.gain == "linear" else (phi(x + rows) - phi(x)).sum(axis=1)
        best = int(np.argmax(gain))
        gains.append(float(gain[best]))
        x += u[left[best]]
        order.append(left.pop(best))
    return order, gains


# ---------------------------------------------------------------------------------------------- MIG-M1, golden example
def test_the_golden_order_without_norm():
    sample = run(golden(), 6)
    assert sample.order.tolist() == [1, 2, 0, 5, 3]
    np.testing.assert_allclose(sample.scores[0], 152.15, atol=0.01)


def test_the_golden_order_with_norm():
    # The reference divides by the tags as listed, a repeated one counted twice: row 5 ("a, a") has half its quality.
    halved = [*GOLDEN_SCORES[:5], GOLDEN_SCORES[5] / 2]
    assert run(golden(halved), 6, norm=True).order.tolist() == [0, 2, 1, 5, 3]


def test_the_golden_order_of_exact_gains():
    assert run(golden(), 6, gain="exact").order.tolist() == [1, 0, 5, 3, 2]


def test_the_golden_gains_of_the_first_round():
    expected = [126.79, 152.15, 38.04, 50.72, 101.43]
    for row, gain in zip([0, 1, 2, 3, 5], expected, strict=True):
        alone = pool_of([GOLDEN_TAGS[row]], [GOLDEN_SCORES[row]], GOLDEN_GRAPH)
        np.testing.assert_allclose(run(alone, 1).scores, gain, atol=0.01)


def test_the_golden_propagation():
    indptr, indices, data = mig.propagate(csr_array(np.array(GOLDEN_GRAPH)), 1.0).forward
    matrix = csr_array((data, indices, indptr)).toarray()
    np.testing.assert_allclose(matrix, [[0.5128, 0.4872, 0], [0.4872, 0.5128, 0], [0, 0, 1]], atol=5e-5)


def test_the_slope_of_the_default_curve():
    from datasel_assets.samplers.mig_kernels import slope

    found = [slope(x, True, 1e-6, 0.8) for x in (0.0, 10.0, 100.0, 1e4)]
    np.testing.assert_allclose(found, [12.68, 0.505, 0.318, 0.127], rtol=2e-3)


# -------------------------------------------------------------------------------------------------------------- MIG-M2
@pytest.mark.parametrize("raw", [{}, {"norm": True}, {"phi": "exp", "rate": 0.02}, {"gain": "exact"}])
def test_lazy_evaluation_gives_the_order_of_the_greedy_rule(raw):
    pool = random_pool(3000, 200, 0)
    params = mig.Params.model_validate({"by": "quality", **raw})
    order, gains = naive(pool, 600, params)
    sample = run(pool, 600, **raw)
    assert sample.order.tolist() == order
    np.testing.assert_allclose(sample.scores, gains, rtol=1e-5)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    gain=st.sampled_from(["linear", "exact"]),
    phi=st.sampled_from(["pow", "exp"]),
    propagation=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    norm=st.booleans(),
)
def test_every_switch_follows_the_greedy_rule(seed, gain, phi, propagation, norm):
    pool = random_pool(25, 8, seed, density=0.4)
    raw = {"gain": gain, "phi": phi, "propagation": propagation, "norm": norm, "rate": 0.1}
    order, gains = naive(pool, 25, mig.Params.model_validate({"by": "quality", **raw}))
    sample = run(pool, 25, **raw)
    np.testing.assert_allclose(sample.scores, gains, rtol=1e-4, atol=1e-7)
    assert sorted(sample.order.tolist()) == sorted(order)


# -------------------------------------------------------------------------------------------------- MIG-M3 to MIG-M7
@pytest.mark.parametrize("gain", ["linear", "exact"])
def test_gains_never_grow(gain):
    gains = run(random_pool(500, 40, 1), 500, gain=gain).scores
    assert (np.diff(gains) <= 0).all()


def test_without_propagation_labels_do_not_inform_each_other():
    pool = random_pool(200, 30, 2)
    alone = pool_of(
        [pool.tags.indices[a:b].tolist() for a, b in zip(pool.tags.indptr, pool.tags.indptr[1:], strict=False)],
        pool.scores,
        np.eye(30),
    )
    assert run(pool, 200, propagation=0).order.tolist() == run(alone, 200).order.tolist()


@pytest.mark.parametrize("gain", ["linear", "exact"])
def test_with_exponent_one_rows_come_by_what_they_send_in_all(gain):
    pool = random_pool(300, 30, 3)
    sent = dense(pool, mig.Params(by="quality", b=1.0)).sum(axis=1)
    sample = run(pool, 300, b=1.0, gain=gain)
    np.testing.assert_allclose(sent[sample.order], np.sort(sent)[::-1], rtol=1e-12)
    np.testing.assert_allclose(sample.scores, sent[sample.order], rtol=1e-6)


def test_a_budget_beyond_the_pool_takes_every_row_with_tags():
    assert sorted(run(golden(), 100).order.tolist()) == [0, 1, 2, 3, 5]


def test_the_diagonal_of_the_graph_does_not_matter():
    # A threshold of 1 may cut even a label's similarity to itself: columns must not become empty.
    bare = pool_of(GOLDEN_TAGS, GOLDEN_SCORES, np.zeros((3, 3)))
    whole = pool_of(GOLDEN_TAGS, GOLDEN_SCORES, np.eye(3))
    assert np.isfinite(run(bare, 6).scores).all()
    np.testing.assert_array_equal(run(bare, 6).scores, run(whole, 6).scores)


# -------------------------------------------------------------------------------------------------------------- MIG-M9
@pytest.mark.parametrize(("quality", "unchanged"), [(1e-3, True), (60.0, False)])
def test_continuing_after_an_append_is_right_only_if_no_new_row_would_have_won_earlier(quality, unchanged):
    params = mig.Params(by="quality")
    old = random_pool(60, 12, 4)
    lists = [old.tags.indices[a:b].tolist() for a, b in zip(old.tags.indptr, old.tags.indptr[1:], strict=False)]
    grown = pool_of([*lists, [0], [3, 5]], [*old.scores, quality, quality], old.label_graph.toarray())
    before = run(old, 20).order.tolist()
    continued = before + naive(grown, 10, params, start=before)[0]
    again = run(grown, 30).order.tolist()
    assert (again == continued) is unchanged
    assert (set(again[:20]) == set(before)) is unchanged


# ------------------------------------------------------------------------------------------------------------- MIG-M11
def test_it_finds_more_information_than_the_best_rows_and_those_more_than_random_ones():
    pool = random_pool(4000, 300, 5, zipf=True)
    params = mig.Params(by="quality")
    own = mig.information(pool, run(pool, 400).order, params)
    best = mig.information(pool, np.argsort(-pool.scores)[:400], params)
    random = mig.information(pool, np.random.default_rng(0).permutation(4000)[:400], params)
    assert own >= best >= random


@pytest.mark.parametrize("raw", [{}, {"phi": "exp", "rate": 0.05}, {"norm": True, "propagation": 0.5}])
def test_the_information_of_a_set_is_the_sum_of_its_exact_gains(raw):
    pool = random_pool(120, 20, 6)
    params = mig.Params.model_validate({"by": "quality", "gain": "exact", **raw})
    sample = mig.sample(pool, 50, params, 0)
    nothing = mig.information(pool, np.empty(0, np.int64), params)
    np.testing.assert_allclose(mig.information(pool, sample.order, params) - nothing, sample.scores.sum(), rtol=1e-5)


# ------------------------------------------------------------------------------------------------------------ the rest
def test_without_a_quality_column_every_row_counts_the_same():
    pool = pool_of([[0], [1, 2], [0]], [5.0, np.nan, 7.0], np.eye(3))
    assert mig.sample(pool, 3, mig.Params(), 0).order.tolist() == [1, 0, 2]


def test_gains_are_per_token_where_tokens_cost():
    pool = pool_of([[0], [1]], [10.0, 6.0], np.eye(2), costs=np.array([10.0, 2.0]))
    sample = run(pool, 2)
    assert sample.order.tolist() == [1, 0]
    np.testing.assert_allclose(sample.scores, np.array([6 / 2, 10 / 10]) * 0.8 * 1e-6**-0.2, rtol=1e-6)
    assert run(pool, 2, cost_scaled=False).order.tolist() == [0, 1]


def test_a_row_without_cost_has_no_gain_per_cost():
    with pytest.raises(ValueError, match="cost_scaled: false"):
        run(pool_of([[0], [1]], [1.0, 1.0], np.eye(2), costs=np.array([0.0, 2.0])), 2)


def test_rows_that_were_not_chosen_show_what_they_would_still_add():
    pool = random_pool(50, 10, 7)
    full = run(pool, 50)
    part = run(pool, 20)
    assert np.isnan(part.row_scores[part.order]).all()
    following = full.order[20]
    np.testing.assert_allclose(part.row_scores[following], full.scores[20], rtol=1e-6)
    assert np.nanmax(part.row_scores) == part.row_scores[following]


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
def test_a_quality_that_cannot_be_information_is_refused(wrong):
    with pytest.raises(ValueError, match="0 or more"):
        run(golden([wrong, *GOLDEN_SCORES[1:]]), 2)


def test_a_negative_similarity_is_refused():
    with pytest.raises(ValueError, match="negative"):
        run(pool_of([[0]], [1.0], [[1, -0.2], [-0.2, 1]]), 1)
