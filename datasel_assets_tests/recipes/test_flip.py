"""What would flip a decision, held against the same recipe carried out with that change."""

import polars as pl
import pytest

from datasel_assets.recipes.flip import flip
from datasel_assets.recipes.inputs import GivenInputs
from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.specs.recipe import RecipeSpec

POOL = pl.DataFrame(
    {
        "row_id": [f"r{i:02}" for i in range(12)],
        "source": ["a"] * 12,
        "n_chars": [7, 3, 9, 1, 12, 5, 11, 2, 8, 10, 6, 4],
        "n_tokens": [2] * 12,
        "n_response_tokens": [1] * 12,
        "duplicate_of": [None] * 12,
    },
    schema_overrides={"duplicate_of": pl.String},
)


def spec(rows: int = 4, below: float = 3) -> RecipeSpec:
    return RecipeSpec.model_validate(
        {
            "drop": [{"score": "n_chars", "below": below}],
            "select": {"sampler": "topk", "by": "n_chars"},
            "budget": {"rows": rows},
        }
    )


def decided(recipe: RecipeSpec, pool: pl.DataFrame = POOL) -> dict[str, dict]:
    result = run_recipe(recipe, pool, GivenInputs())
    return {row["row_id"]: row for row in result.decisions.iter_rows(named=True)}


def test_a_budget_that_reaches_its_place_keeps_a_row_and_a_smaller_one_does_not():
    row = decided(spec())["r00"]
    said = flip(row, spec(), {}, 4)
    assert said == f"a score higher by 2 or a budget that reaches place {row['rank']} (it took 4 rows)"
    assert decided(spec(rows=row["rank"]))["r00"]["kept"]
    assert not decided(spec(rows=row["rank"] - 1))["r00"]["kept"]


def test_a_kept_row_leaves_when_its_score_falls_below_the_best_one_that_was_left_out():
    row = decided(spec())["r04"]
    left = max(other["margin"] for other in decided(spec()).values() if other["stage"] == "budget")
    assert flip(row, spec(), {}, 4, left) == "a score lower by more than 4 or a budget that ends before place 1"
    for fall, kept in ((3.5, True), (4.5, False)):
        fallen = POOL.with_columns(n_chars=pl.when(pl.col("row_id") == "r04").then(12 - fall).otherwise("n_chars"))
        assert decided(spec(), fallen)["r04"]["kept"] is kept


def test_a_rule_says_which_bound_or_which_value_would_let_the_row_through():
    row = decided(spec())["r03"]
    assert row["stage"] == "rule:1"
    assert flip(row, spec(), {"n_chars": 1.0}, 4) == "below: 1 instead of 3, or n_chars changed by 2"
    assert decided(spec(rows=12, below=1))["r03"]["kept"]


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ({"stage": "contaminated"}, "no release holds an item of an evaluation"),
        ({"stage": "duplicate", "duplicate_of": "r9"}, "without r9"),
        ({"stage": "ineligible"}, "the input that the sampler lacks"),
        ({"stage": "narrow:2"}, "'take' in narrowing step 2"),
        ({"stage": "source cap"}, "maximum for source a"),
        ({"stage": "budget"}, "a larger budget"),
    ],
)
def test_every_stage_has_its_words(decision: dict, words: str):
    empty = {"margin": None, "rank": None, "duplicate_of": None, "source": "a"}
    assert words in flip({**empty, **decision}, spec(), {}, 4)
