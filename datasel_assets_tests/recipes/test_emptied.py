"""Why nothing was selected."""

import polars as pl
import pytest

from datasel_assets.recipes.emptied import why_empty
from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.recipes.verify import refuse_flawed
from datasel_assets.specs.recipe import RecipeSpec

POOL = pl.DataFrame(
    {
        "row_id": list("abcdef"),
        "source": ["x"] * 3 + ["y"] * 3,
        "n_chars": [6, 5, 4, 3, 2, 1],
        "n_tokens": [60, 50, 40, 30, 20, 10],
        "duplicate_of": [None, None, None, "b", None, None],
        "cluster": pl.Series([None] * 6, dtype=pl.Int32),
        "contaminated": ["item 1 of exam", None, None, None, None, None],
    }
)
TOPK = {"sampler": "topk", "by": "n_chars"}
LONG = {"score": "n_chars", "above": 5}


def message(pool: pl.DataFrame = POOL, **recipe) -> str:
    spec = RecipeSpec.model_validate({"select": TOPK, "budget": {"rows": 2}, **recipe})
    selection = run_recipe(spec, pool)
    assert selection.selected.is_empty()
    with pytest.raises(ValueError, match="nothing was published") as refused:
        refuse_flawed(selection, pool)
    return str(refused.value)


def test_every_step_is_told_with_what_it_took_and_the_one_that_took_the_last_rows_with_an_example():
    said = message(drop=[{"source": ["y"]}, {"score": "n_chars", "below": 100}])
    assert said == (
        "no row is left of 6: the evaluations (rows that hold one of their items) took 1, drop rule 1 took 3, "
        "drop rule 2 took the last 2 (row b: n_chars 5 is below 100). "
        "What to do: loosen the drop rule 2 of the recipe; nothing was published"
    )


def test_a_narrowing_step_that_lets_nothing_through_is_named():
    said = message(narrow=[{**TOPK, "take": {"fraction": 0.5}}, {**TOPK, "take": {"fraction": 0.1}}])
    assert "narrowing step 1 took 2" in said
    assert "narrowing step 2 took the last 3" in said
    assert "let step 2 of 'narrow' take more rows" in said


def test_a_sampler_whose_input_all_rows_lack_is_named():
    said = message(select={"sampler": "stratify", "groups": "cluster"})
    assert "what the sampler needs and rows lack took the last 5" in said
    assert "it belongs to no cluster" in said


def test_a_pool_that_is_all_evaluation_items_is_named():
    said = message(POOL.with_columns(contaminated=pl.lit("item 1 of exam")))
    assert said.startswith("no row is left of 6: the evaluations")
    assert "took the last 6 (row a: item 1 of exam)" in said


def test_copies_and_maximums_per_source_have_names():
    stages = pl.DataFrame(
        {
            "row_id": list("abcd"),
            "kept": [False] * 4,
            "stage": ["duplicate", "near duplicate", "budget", "source cap"],
            "reason": ["w", "x", "y", "z"],
            "margin": [None, None, None, None],
        }
    )
    assert why_empty(stages).startswith(
        "no row is left of 4: the rule against duplicates took 1, the rule against near duplicates took 1, "
        "the maximums per source took 1, the budget took the last 1 (row c: y)."
    )


def test_an_empty_pool_is_said_to_be_empty():
    assert message(POOL.clear()).startswith("the pool has no rows: add a source")
