"""Samplers one after the other, votes, and what they are given."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes.inputs import GivenInputs, Queries
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.specs.recipe import RecipeSpec

FIRST_HALF = {"sampler": "topk", "by": "n_chars", "keep": "low", "take": {"fraction": 0.5}}
LAST_THREE = {"sampler": "topk", "by": "n_chars", "keep": "high", "take": {"rows": 3}}


def rows(n: int = 10) -> pl.DataFrame:
    return pl.DataFrame({"row_id": [f"r{i}" for i in range(n)], "source": ["a"] * n, "n_chars": list(range(n))})


def recipe(*narrow: dict, select: dict | None = None, budget: dict | None = None, **more) -> RecipeSpec:
    select = select or {"sampler": "topk", "by": "n_chars", "keep": "high"}
    given = {"paper": "baseline", "narrow": narrow, "select": select, "budget": budget or {"rows": 2}}
    return RecipeSpec.model_validate({**given, **more})


def run(spec: RecipeSpec, pool: pl.DataFrame | None = None, inputs: GivenInputs | None = None) -> Selection:
    return run_recipe(spec, rows() if pool is None else pool, inputs)


def test_the_last_sampler_sees_only_what_the_steps_let_through():
    selection = run(recipe(FIRST_HALF))
    assert selection.selected["row_id"].to_list() == ["r4", "r3"]
    assert selection.budget["eligible_rows"] == 5


def test_a_row_that_fell_at_a_step_is_told_which_and_why():
    fell = run(recipe(FIRST_HALF)).decisions.filter(pl.col("stage") == "narrow:1")
    assert fell["row_id"].to_list() == ["r5", "r6", "r7", "r8", "r9"]
    assert set(fell["reason"]) == {"step 1: not among the 5 of 10 rows that topk by n_chars let through"}
    assert fell["kept"].sum() == 0


def test_each_step_takes_its_share_of_what_reaches_it():
    selection = run(recipe(FIRST_HALF, {**LAST_THREE, "take": {"fraction": 0.5}}))
    assert selection.budget["eligible_rows"] == 3  # half of ten, then half of five rounded up
    assert selection.selected["row_id"].to_list() == ["r4", "r3"]


def test_drop_rules_come_before_the_steps():
    selection = run(recipe(FIRST_HALF, drop=[{"score": "n_chars", "below": 6}]))
    assert selection.selected["row_id"].to_list() == ["r7", "r6"]


@pytest.mark.parametrize(
    ("at_least", "left"), [(1, ["r0", "r1", "r2", "r3", "r4", "r7", "r8", "r9"]), (2, []), (3, None)]
)
def test_a_row_goes_on_when_enough_samplers_take_it(at_least, left):
    vote = {"at_least": at_least, "of": [FIRST_HALF, LAST_THREE]}
    if left is None:
        with pytest.raises(ValidationError, match="3 votes are asked of 2 samplers"):
            recipe(vote)
        return
    selection = run(recipe(vote, budget={"rows": 10}))
    assert sorted(selection.selected["row_id"]) == left
    fell = selection.decisions.filter(pl.col("stage") == "narrow:1")
    votes = "0" if at_least == 1 else "[01]"
    assert fell["reason"].str.contains(f"step 1: {votes} of 2 samplers took it, {at_least} needed").all()


def test_a_step_has_inputs_of_its_own_and_says_when_a_row_lacks_one():
    vectors = np.eye(10, dtype=np.float32)
    vectors[7] = 0
    inputs = GivenInputs({"near": ArrayVectors(vectors)}, {"goal": Queries(np.ones((1, 10), np.float32))})
    step = {"sampler": "round_robin", "representation": "near", "target": "goal", "take": {"rows": 9}}
    selection = run(recipe(step, budget={"rows": 9}), inputs=inputs)
    assert selection.selected.height == 9
    lacking = selection.decisions.filter(pl.col("row_id") == "r7")
    assert lacking.select("stage", "reason").row(0) == (
        "narrow:1",
        "step 1: no vector in near, or one of zeros: nothing to compare",
    )
    assert recipe(step).requires().targets == {("near", "goal")}


def test_steps_read_back_as_they_were_written():
    spec = recipe(FIRST_HALF, {"at_least": 2, "of": [FIRST_HALF, LAST_THREE]})
    assert RecipeSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert RecipeSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"sampler": "topk", "by": "n_chars", "take": {}}, "exactly one of 'rows', 'fraction'"),
        ({"sampler": "topk", "by": "n_chars", "take": {"rows": 0}}, "greater than 0"),
        ({"of": [FIRST_HALF]}, "at least 2 items"),
        ({"sampler": "nothing"}, "sampler 'nothing' is not known"),
        ({"sampler": "kcenter", "take": {"rows": 3}}, "needs 'representation"),
    ],
)
def test_a_step_that_cannot_be_carried_out_is_refused(step, message):
    with pytest.raises(ValidationError, match=message):
        recipe(step)


def test_a_row_that_fell_for_want_of_a_value_is_told_what_could_not_be_computed():
    pool = rows(4).with_columns(
        pl.Series("lm.ppl", [1.0, None, None, 2.0]),
        failed=pl.Series([None, "scores/lm could not be computed: too long", None, None]),
    )
    step = {"sampler": "topk", "by": "lm.ppl", "keep": "low", "take": {"rows": 2}}
    fell = run(recipe(step), pool).decisions.filter(pl.col("stage") == "narrow:1")
    assert fell["reason"].to_list() == [
        "step 1: lm.ppl is not known; scores/lm could not be computed: too long",
        "step 1: lm.ppl is not known",
    ]
