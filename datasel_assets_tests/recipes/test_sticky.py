"""Selecting again without changing more than needed."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.sticky import changes, hold_on
from datasel_assets.samplers import Sample
from datasel_assets.specs.recipe import RecipeSpec


def pool(scores: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"row_id": [f"r{i:03d}" for i in range(len(scores))], "source": ["a"] * len(scores), "n_chars": scores}
    )


def run(scores: list, rows: int, churn: float = 1.0, previous: list[str] | None = None, **more) -> Selection:
    select = {"sampler": "topk", "by": "n_chars", "keep": "high"}
    given_ = {"paper": "baseline", "select": select, "budget": {"rows": rows}, "churn": churn, **more}
    return run_recipe(RecipeSpec.model_validate(given_), pool(scores), previous=previous)


def ids(selection: Selection) -> list[str]:
    return selection.selected["row_id"].to_list()


def test_the_bound_on_churn_decides_how_many_better_rows_enter():
    before = ids(run([9, 8, 7, 6, 1, 1, 1, 1], 4))
    assert before == ["r000", "r001", "r002", "r003"]
    now = [5, 4, 3, 2, 9, 8, 7, 6]
    assert ids(run(now, 4, 0.25, before)) == ["r004", "r000", "r001", "r002"]
    assert ids(run(now, 4, 0.5, before)) == ["r004", "r005", "r000", "r001"]
    assert set(ids(run(now, 4, 0.0, before))) == set(before)
    assert ids(run(now, 4, 1.0, before)) == ["r004", "r005", "r006", "r007"]


def test_what_holding_on_costs_is_reported():
    before = ids(run([9, 8, 7, 6, 1, 1, 1, 1], 4))
    selection = run([5, 4, 3, 2, 9, 8, 7, 6], 4, 0.25, before)
    assert selection.kept is not None
    assert (selection.kept.fresh_churn, selection.kept.churn, selection.kept.gone) == (1.0, 0.25, 0)
    assert selection.kept.objective_lost == pytest.approx((30 - 21) / 30)
    assert "25.0% of the rows changed" in selection.notes[-1]


def test_rows_that_cannot_be_chosen_any_more_leave_whatever_the_bound():
    before = ids(run([9, 8, 7, 6, 1, 1], 4))
    selection = run([9, 8, 7, None, 1, 2], 4, 0.0, before)
    assert ids(selection) == ["r000", "r001", "r002", "r005"]
    assert selection.kept is not None
    assert selection.kept.gone == 1


def test_the_first_selection_has_nothing_to_hold_on_to():
    selection = run([3, 2, 1], 2, 0.0)
    assert ids(selection) == ["r000", "r001"]
    assert selection.kept is None


@settings(max_examples=60)
@given(data=st.data())
def test_the_bound_holds_and_the_best_rows_of_both_sides_stay(data):
    n = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    order = rng.permutation(n)
    b = data.draw(st.integers(1, n))
    eligible = np.ones(n, bool)
    eligible[order[b:]] = rng.random(n - b) < 0.7
    order = order[eligible[order]]
    ranked = order[: data.draw(st.integers(b, len(order)))]
    previous = rng.permutation(n)[: data.draw(st.integers(0, n))]
    churn = data.draw(st.floats(0, 1))
    scores = -np.arange(len(ranked), dtype=np.float32)
    held = hold_on(Sample.of(ranked, scores), lambda order: np.arange(len(order)) < b, previous, eligible, churn)
    chosen = held.order[:b]
    assert len(np.unique(held.order)) == len(held.order)
    assert set(ranked.tolist()) <= set(held.order.tolist())
    assert eligible[chosen].all()
    staying = np.intersect1d(previous[eligible[previous]], np.arange(n))
    overlap = len(np.intersect1d(chosen, staying))
    assert overlap >= min(math.ceil((1 - churn) * b - 1e-9), len(staying))
    fresh = len(np.intersect1d(ranked[:b], staying))
    if fresh >= min(math.ceil((1 - churn) * b - 1e-9), len(staying)):
        np.testing.assert_array_equal(held.order, ranked)
    rank = {row: place for place, row in enumerate(ranked.tolist())}
    entered = [rank[row] for row in chosen.tolist() if row not in set(staying.tolist())]
    assert entered == sorted(entered)
    np.testing.assert_array_equal(
        held.scores[np.isin(held.order, ranked)], [-rank[row] for row in held.order.tolist() if row in rank]
    )


def two_sources(seed: int, n: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    tokens = np.exp(rng.normal(4, 1, n)).astype(int) + 1
    return pl.DataFrame(
        {
            "row_id": [f"r{i:03d}" for i in range(n)],
            "source": rng.choice(["a", "b"], n),
            "n_tokens": tokens,
            "n_chars": tokens,
        }
    )


def again(pool: pl.DataFrame, keep: str, budget: dict, churn: float, previous: list[str] | None = None) -> Selection:
    select = {"sampler": "topk", "by": "n_chars", "keep": keep}
    spec = RecipeSpec.model_validate({"paper": "baseline", "select": select, "budget": budget, "churn": churn})
    return run_recipe(spec, pool, previous=previous)


@pytest.mark.parametrize(
    "budget",
    [
        {"rows": 60},
        {"rows": 60, "per_source": {"a": {"max_rows": 10}}},
        {"rows": 60, "per_source": {"a": {"min_rows": 40}}},
        {"rows": 60, "per_source": {"default": {"min_share": 0.2, "max_share": 0.7}}},
        {"tokens": 6000},
        {"tokens": 20_000, "per_source": {"a": {"max_rows": 8}, "b": {"min_rows": 6}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("keeps", [("high", "low"), ("low", "high")], ids=" then ".join)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), churn=st.floats(0, 0.9))
def test_the_bound_holds_for_every_kind_of_budget_until_all_previous_rows_stay(budget, keeps, seed, churn):
    pool = two_sources(seed, 300)
    before = ids(again(pool, keeps[0], budget, churn))
    selection = again(pool, keeps[1], budget, churn, before)
    assert selection.within_budget
    assert selection.kept is not None
    entered = set(ids(selection)) - set(before)
    assert selection.kept.churn == pytest.approx(len(entered) / selection.selected.height)
    assert selection.kept.churn <= churn + 1e-9 or (set(before) <= set(ids(selection)) and "tokens" in budget)
    assert ("more than the bound" in selection.notes[-1]) == (selection.kept.churn > churn + 1e-9)


def test_a_new_bound_that_forces_more_change_than_the_churn_is_said():
    pool = two_sources(0, 300)
    before = ids(again(pool.with_columns(n_chars=pl.col("source") == "a"), "high", {"rows": 60}, 0.2))
    selection = again(pool, "high", {"rows": 60, "per_source": {"a": {"max_rows": 30}}}, 0.2, before)
    assert selection.selected["source"].to_list().count("a") == 30
    assert len(set(ids(selection)) & set(before)) == 30
    assert selection.notes[-1].startswith(
        "50.0% of the rows changed (more than the bound of 20.0%: no more previous rows fit into the budget)"
    )


def test_where_the_minimums_leave_no_room_beside_the_previous_rows_the_sampler_decides():
    pool = pl.DataFrame(
        {
            "row_id": ["r000", "r001", "r002", "r003"],
            "source": ["a", "a", "b", "b"],
            "n_tokens": [90, 10, 60, 20],
            "n_chars": [9, 1, 8, 2],
        }
    )
    before = ids(again(pool, "high", {"tokens": 90}, 0.0))
    bounds = {"tokens": 100, "per_source": {"default": {"min_rows": 1}}}
    selection = again(pool, "low", bounds, 0.0, before)
    assert before == ["r000"]
    assert ids(selection) == ["r001", "r003", "r002"]
    assert "more than the bound of 0.0%" in selection.notes[-1]


def test_the_rows_that_entered_and_left_are_listed_with_the_reasons_of_both_times():
    before, now = run([9, 8, 1], 2).decisions, run([9, 1, 8], 2).decisions
    found = changes(before, now)
    assert found.select("row_id", "change").rows() == [("r002", "entered"), ("r001", "left")]
    assert found["reason_before"].to_list() == [
        "ranked 3rd of 3 by n_chars (1.0); the budget took 2",
        "ranked 2nd of 3 by n_chars (8.0)",
    ]
    assert found["stage_now"].to_list() == ["kept", "budget"]


def test_a_row_that_left_the_pool_is_said_to_be_gone_and_a_first_selection_changes_nothing():
    before, now = run([9, 8, 7], 2).decisions, run([9], 1).decisions
    assert changes(before, now).select("row_id", "change", "stage_now", "reason_now").row(0) == (
        "r001",
        "left",
        None,
        "it is no longer in the pool",
    )
    assert changes(None, now).is_empty()
