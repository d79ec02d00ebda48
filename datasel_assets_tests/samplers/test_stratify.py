import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, longest, random, ranks_all, requires, score_column, stratify
from datasel_assets.samplers.quotas import group_weights, repetitions, take_turns, targets
from datasel_assets.samplers.stratify import Params, sample


def counts(turns: np.ndarray, groups: int) -> list[int]:
    return np.bincount(turns, minlength=groups).tolist()


@pytest.mark.parametrize(("quota", "expected"), [("equal", [2, 10, 18]), ("proportional", [0, 3, 27])])
def test_the_golden_quotas(quota, expected):
    sizes = np.array([2, 10, 100])
    weights = group_weights(["a", "b", "c"], sizes, quota)
    assert counts(take_turns(weights, sizes, 30), 3) == expected


def test_square_root_quotas_lie_between_equal_and_proportional():
    sizes = np.array([100, 400, 900])
    assert counts(take_turns(group_weights(list("abc"), sizes, "sqrt"), sizes, 60), 3) == [10, 20, 30]


@settings(max_examples=200)
@given(data=st.data())
def test_after_every_row_every_group_is_less_than_one_row_from_its_target(data):
    groups = data.draw(st.integers(1, 7))
    sizes = np.array(data.draw(st.lists(st.integers(0, 20), min_size=groups, max_size=groups)))
    weights = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.3, 1, 2, 7.5]), min_size=groups, max_size=groups)))
    minimums = np.array(data.draw(st.lists(st.integers(0, 4), min_size=groups, max_size=groups)))
    minimums = np.minimum(minimums, sizes)
    turns = take_turns(weights, sizes, int(sizes.sum()), minimums)
    assert len(turns) == np.where(weights > 0, sizes, minimums).sum()
    for h in range(1, len(turns) + 1):
        target = targets(weights, sizes, h, minimums)
        assert target.sum() == pytest.approx(h)
        taken = np.bincount(turns[:h], minlength=groups)
        assert np.abs(taken - target).max() < 1
        assert (taken <= sizes).all()
        if h >= minimums.sum():
            assert (taken >= minimums).all()


def test_an_exhausted_group_leaves_its_share_to_the_others():
    assert targets(np.array([1.0, 1, 2]), np.array([3, 100, 100]), 23).tolist() == pytest.approx([3, 20 / 3, 40 / 3])


def test_a_group_without_a_weight_is_named():
    with pytest.raises(ValueError, match="no weight for group 'b'"):
        group_weights(["a", "b"], np.array([1, 1]), "weights", {"a": 1.0})
    assert group_weights(["a", "b"], np.array([1, 1]), "weights", {"a": 3, "default": 2}).tolist() == [3, 2]


def pool_of(groups: list, scores: list | None = None) -> Candidates:
    ids = np.array([f"{i:04d}" for i in range(len(groups))])
    return Candidates(ids, scores=None if scores is None else np.array(scores, float), groups=np.array(groups))


def run(pool: Candidates, budget: int, **raw) -> list[int]:
    return sample(pool, budget, Params.model_validate(raw), 0).order.tolist()


def test_groups_of_very_different_size_are_equalised():
    groups = np.repeat(["big", "mid", "small"], [900, 90, 10])
    chosen = groups[run(pool_of(groups.tolist()), 60, quota="equal")]
    assert [int((chosen == name).sum()) for name in ("big", "mid", "small")] == [25, 25, 10]


def test_inside_a_group_rows_come_in_the_inner_samplers_order():
    rng = np.random.default_rng(0)
    groups, scores = rng.choice(["x", "y"], 50).tolist(), rng.integers(0, 9, 50).tolist()
    pool = pool_of(groups, scores)
    order = run(pool, 50, quota="proportional", inner={"sampler": "longest"})
    for name in ("x", "y"):
        rows = np.flatnonzero(pool.groups == name)
        alone = rows[longest.sample(pool.subset(rows), 50, longest.Params(), 0).order].tolist()
        assert [row for row in order if groups[row] == name] == alone


def test_integer_groups_such_as_cluster_labels_work():
    assert sorted(run(pool_of([7, 7, 7, 2]), 2, quota="equal")) in ([0, 3], [1, 3], [2, 3])


def test_limits_bound_a_group_and_default_bounds_the_rest():
    groups = ["a"] * 50 + ["b"] * 50 + ["c"] * 50
    limits = {"a": {"min_rows": 20}, "default": {"max_rows": 8}}
    chosen = [groups[i] for i in run(pool_of(groups), 100, quota="equal", limits=limits)]
    assert [chosen.count(name) for name in "abc"] == [50, 8, 8]
    assert set(chosen[:20]) == {"a"}


def test_weight_zero_leaves_a_group_out():
    groups = ["a"] * 5 + ["b"] * 5
    chosen = run(pool_of(groups), 10, quota="weights", weights={"a": 0, "b": 1})
    assert sorted(chosen) == [5, 6, 7, 8, 9]


def test_one_group_and_the_random_inner_sampler_are_plain_random_sampling():
    pool = pool_of(["only"] * 30)
    assert run(pool, 12) == random.sample(pool, 12, random.Params(), 0).order.tolist()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"inner": {"sampler": "stratify"}}, "'stratify' is not known: allowed are band, "),
        ({"inner": {"sampler": "longest", "bye": 1}}, "unknown key 'bye' for sampler longest: allowed are by, sampler"),
        ({"inner": {"sampler": "round_robin", "rule": "x"}}, "rule: must be 'lose_turn'"),
        ({"quota": "weights"}, "needs them"),
        ({"weights": {"a": 1.0}}, "goes with"),
        ({"quota": "weights", "weights": {"a": -1.0}}, "negative"),
        ({"limits": {"a": {"min_rows": 3, "max_rows": 2}}}, "min_rows 3 is larger than max_rows 2"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(raw, message):
    with pytest.raises(ValueError, match=message):
        Params.model_validate(raw)


def test_what_is_needed_follows_the_inner_sampler():
    params = Params.model_validate({"inner": {"sampler": "round_robin"}})
    assert requires("stratify", params) == {"groups", "vectors", "queries"}
    assert ranks_all("stratify", params)
    params = Params.model_validate({"inner": {"sampler": "kcenter"}})
    assert not ranks_all("stratify", params)
    params = Params.model_validate({"inner": {"sampler": "longest", "by": "n_chars"}})
    assert score_column("stratify", params) == "n_chars"
    assert stratify.Params.model_validate(params.model_dump()) == params


def test_a_share_of_a_group_bounds_it_by_its_size():
    groups = ["a"] * 40 + ["b"] * 10
    chosen = [groups[i] for i in run(pool_of(groups), 50, quota="equal", limits={"default": {"max_share": 0.25}})]
    assert [chosen.count(name) for name in "ab"] == [10, 2]


def test_repeated_draws_equalise_small_groups_up_to_the_cap():
    assert repetitions(np.ones(2), np.array([10, 50]), 3).tolist() == pytest.approx([3, 30 / 50])
    assert repetitions(np.ones(2), np.array([10, 50]), 2).tolist() == pytest.approx([2, 40 / 50])
    assert repetitions(np.ones(3), np.array([10, 10, 0]), 5).tolist() == [1, 1, 1]
    assert repetitions(np.array([1.0, 3.0]), np.array([10, 10]), 9).tolist() == pytest.approx([0.5, 1.5])


@settings(max_examples=100)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.floats(1, 6), st.integers(0, 100))
def test_clusterclip_draws_every_group_alike_unless_its_rows_are_worn_out(sizes, most, budget):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    pool = Candidates(np.array([f"{i:04d}" for i in range(len(groups))], np.str_), groups=groups)
    picked = sample(pool, budget, Params.model_validate({"quota": "equal", "repeat": most}), 0)
    if len(picked.order) == 0:
        return
    weights = picked.weights
    assert weights is not None
    assert weights.sum() == pytest.approx(len(picked.order), rel=1e-5)
    draws = {g: float(weights[groups[picked.order] == g].sum()) for g in set(groups[picked.order].tolist())}
    most_drawn = max(draws.values())
    for g, drawn in draws.items():
        worn_out = (groups[picked.order] == g).sum() * most
        assert drawn == pytest.approx(min(most_drawn, worn_out), rel=1e-4)


def test_an_inner_sampler_that_thins_leaves_its_seats_to_the_other_groups():
    scores = [9, 9, 9, 9, 1, 2, 3, 4]
    pool = pool_of(["a"] * 4 + ["b"] * 4, scores)
    inner = {"sampler": "band", "by": "x", "high": 5, "first": "high"}
    assert run(pool, 8, quota="equal", inner=inner) == [7, 6, 5, 4]
    assert run(pool, 2, quota="equal", inner=inner) == [7, 6]


def test_weights_of_the_inner_sampler_are_passed_on():
    rng = np.random.default_rng(0)
    groups = np.array(["a"] * 30 + ["b"] * 10)
    vectors = rng.standard_normal((40, 3)).astype(np.float32)
    pool = Candidates(np.array([f"{i:04d}" for i in range(40)]), groups=groups, vectors=ArrayVectors(vectors))
    params = Params.model_validate({"quota": "equal", "inner": {"sampler": "match_mean", "weights": True}})
    picked = sample(pool, 10, params, 0)
    assert picked.weights is not None
    total = (picked.weights[:, None] * vectors[picked.order]).sum(axis=0)
    np.testing.assert_allclose(total, vectors.sum(axis=0), atol=0.15 * 40)
    for name, size in (("a", 30), ("b", 10)):
        rows = np.flatnonzero(groups == name)
        mine = groups[picked.order] == name
        own = (picked.weights[mine][:, None] * vectors[picked.order[mine]]).sum(axis=0) / size
        assert np.linalg.norm(own - vectors[rows].mean(axis=0)) < 0.5 * np.linalg.norm(vectors[rows].mean(axis=0))
