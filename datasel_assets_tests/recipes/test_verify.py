"""What must hold of a selection before it is published."""

from dataclasses import replace

import polars as pl
import pytest

from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.verify import outcomes, refuse_flawed
from datasel_assets.specs.recipe import RecipeSpec

POOL = pl.DataFrame(
    {
        "row_id": ["a", "b", "c", "d"],
        "source": ["x"] * 4,
        "n_chars": [4, 3, 2, 1],
        "contaminated": [None, "item 1 of exam", None, None],
    }
)


@pytest.fixture
def sound() -> Selection:
    spec = {"paper": "baseline", "select": {"sampler": "topk", "by": "n_chars"}, "budget": {"rows": 2}}
    return run_recipe(RecipeSpec.model_validate(spec), POOL)


def failing(selection: Selection) -> set[str]:
    return {name for name, (passed, _) in outcomes(selection, POOL, ["exam"]).items() if not passed}


def test_a_selection_as_it_was_asked_for_passes_every_check(sound: Selection):
    refuse_flawed(sound, POOL)
    found = outcomes(sound, POOL, ["later", "exam"])
    assert failing(sound) == set()
    assert found["no_evaluation_items"][1] == {"evaluations": "exam, later", "rows_kept_out": 1}
    assert found["ledger_complete"][1] == {"pool": 4, "decisions": 4}
    assert outcomes(sound, POOL, [])["no_evaluation_items"][1]["evaluations"] == "none"


def test_a_row_without_a_decision_is_refused(sound: Selection):
    flawed = replace(sound, decisions=sound.decisions.head(3))
    assert failing(flawed) == {"ledger_complete"}
    with pytest.raises(ValueError, match="3 of 4 rows have a decision"):
        refuse_flawed(flawed, POOL)


def test_a_row_with_two_decisions_is_refused(sound: Selection):
    twice = pl.concat([sound.decisions.head(3), sound.decisions.head(1)])
    with pytest.raises(ValueError, match="3 of 4 rows have a decision"):
        refuse_flawed(replace(sound, decisions=twice), POOL)


def test_more_than_the_budget_is_refused(sound: Selection):
    flawed = replace(sound, within_budget=False)
    assert failing(flawed) == {"budget_respected"}
    with pytest.raises(ValueError, match="breaks its budget"):
        refuse_flawed(flawed, POOL)


def test_a_row_that_holds_an_evaluation_item_is_refused(sound: Selection):
    leaking = sound.selected.with_columns(row_id=pl.Series(["a", "b"]))
    flawed = replace(sound, selected=leaking)
    assert failing(flawed) == {"no_evaluation_items"}
    with pytest.raises(ValueError, match="1 selected rows hold items of an evaluation"):
        refuse_flawed(flawed, POOL)


def test_a_row_that_is_selected_twice_fails_its_check(sound: Selection):
    assert failing(replace(sound, selected=sound.selected.with_columns(row_id=pl.lit("a")))) == {"unique_ids"}


def test_a_selection_without_rows_is_refused(sound: Selection):
    with pytest.raises(ValueError, match="no row is selected"):
        refuse_flawed(replace(sound, selected=sound.selected.clear()), POOL)


def test_the_step_that_emptied_a_selection_is_named_with_its_rows_and_reason(sound: Selection):
    rows = sound.decisions.height
    decisions = sound.decisions.with_columns(
        kept=pl.lit(False),
        stage=pl.Series(["license"] + ["drop"] * (rows - 1)),
        reason=pl.Series(["not free"] + ["too short"] * (rows - 1)),
    )
    empty = replace(sound, selected=sound.selected.clear(), decisions=decisions)
    with pytest.raises(
        ValueError, match=rf"drop turned down {rows - 1} of {rows} \(too short\); license turned down 1"
    ):
        refuse_flawed(empty, POOL)
