"""What a selection says of itself."""

from dataclasses import replace

import polars as pl
import pytest

from datasel_assets.recipes import report
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.sticky import CHANGES_SCHEMA
from datasel_assets.specs.recipe import RecipeSpec

SPEC = RecipeSpec.model_validate(
    {
        "doc": "the longest <rows>",
        "paper": "baseline",
        "drop": [{"score": "n_chars", "below": 10}],
        "select": {"sampler": "topk", "by": "n_chars"},
        "budget": {"response_tokens": 100},
    }
)


@pytest.fixture
def selection() -> Selection:
    n = 30
    pool = pl.DataFrame(
        {
            "row_id": [f"r{i:02}" for i in range(n)],
            "source": ["x"] * n,
            "n_chars": list(range(n)),
            "n_tokens": [10] * n,
            "n_response_tokens": [7] * n,
        }
    )
    return run_recipe(SPEC, pool)


def test_decisions_are_counted_by_stage_the_most_first(selection: Selection):
    assert report.stages(selection.decisions).rows() == [
        (True, "kept", 14),
        (False, "rule:1", 10),
        (False, "budget", 6),
    ]


def test_what_was_used_of_the_budget_is_told_in_its_unit(selection: Selection):
    assert report.budget_used(selection) == "98 of 100 response tokens used"
    assert report.tokens(selection) == (140, 98)


def test_tokens_that_were_not_counted_are_none(selection: Selection):
    nothing = pl.lit(None, dtype=pl.Int64)
    selection = replace(selection, selected=selection.selected.with_columns(n_tokens=nothing))
    assert report.tokens(selection) == (0, 98)


def test_the_best_rows_are_shown_and_of_each_stage_those_that_came_nearest(selection: Selection):
    assert report.best_rows(selection)["row_id"].to_list() == [f"r{i}" for i in range(29, 21, -1)]
    dropped = report.dropped_rows(selection)
    assert dropped.filter(pl.col("stage") == "budget")["row_id"].to_list() == ["r15", "r14", "r13", "r12"]
    assert dropped.filter(pl.col("stage") == "rule:1")["row_id"].to_list() == ["r00", "r01", "r02", "r03"]


def test_rows_that_entered_are_shown_before_those_that_left():
    kinds = ["left"] * 3 + ["entered"] * 20
    changed = pl.DataFrame({"row_id": [f"r{i}" for i in range(23)], "change": kinds})
    changed = pl.concat([CHANGES_SCHEMA.to_frame(), changed], how="diagonal_relaxed")
    assert report.some_changes(changed)["change"].to_list() == ["entered"] * report.SHOWN_ROWS + ["left"] * 3


def test_the_page_names_recipe_figures_and_rows_and_escapes_them(selection: Selection):
    texts = (pl.lit("<b>prompt</b>").alias("prompt"), pl.lit("reply").alias("response"))
    best, dropped = (rows(selection).with_columns(texts) for rows in (report.best_rows, report.dropped_rows))
    page = report.release_report("longest", SPEC, selection, best, dropped, [(b"\x89PNG", "a picture")])
    for said in ("the longest &lt;rows&gt; Method: baseline", "98 of 100 response tokens used", "a picture", "rule:1"):
        assert said in page
    assert "sampler: topk" in page
    assert "&lt;b&gt;prompt&lt;/b&gt;" in page
    assert "<b>prompt</b>" not in page
