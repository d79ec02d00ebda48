"""Selecting again without changing more than needed."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.schema import RecipeSpec
from datasel_assets.recipes.sticky import changes, hold_on
from datasel_assets.samplers import Sample


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


@settings(max_examples=60, deadline=None)
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
    held = hold_on(Sample.of(ranked, scores), ranked[:b], previous, eligible, churn)
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
