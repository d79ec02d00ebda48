"""A filter as drop rules: carried out, they drop just the rows that it shows."""

import polars as pl
import pytest
import yaml

from datasel_assets.recipes.drop_rules import mark_dropped
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.exploration.database import PoolDatabase
from datasel_assets.storage.exploration.filters import Columns, filter_of
from datasel_assets.tables.exploring.drop_rules import rules_of

ROWS = pl.DataFrame(
    {
        "row_id": ["r0", "r1", "r2", "r3"],
        "source": ["a-b", "b", "b", "c"],
        "n_tokens": [1, 5, 9, 9],
        "blend.my-own": pl.Series([0.1, 0.2, None, 0.4], dtype=pl.Float32),
        "category.laser": ["Math", "Math", "Coding", None],
        "text": ["a", "b", "c", "d"],
    }
)
COLUMNS = Columns(
    ("n_tokens", "blend.my-own"), ("a-b", "b", "c"), {"category.laser": ("Coding", "Math")}, clusters=("one",)
)
SAID = [
    {"sources": ["a-b", "c"]},
    {"bounds": {"n_tokens": {"low": 5, "high": None}}},
    {"bounds": {"n_tokens": {"low": 5, "high": 5}, "blend.my-own": {"low": None, "high": 0.4}}},
    {"sources": ["b"], "bounds": {"blend.my-own": {"low": 0.20000000298023224}}},
    {"categories": {"category.laser": ["Math"]}, "bounds": {"n_tokens": {"high": 3}}},
]


def recipe(text: str) -> RecipeSpec:
    return RecipeSpec.model_validate({"select": {"sampler": "random"}, "budget": {"rows": 1}, **yaml.safe_load(text)})


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("asked", SAID, ids=str)
def test_the_rules_drop_the_rows_of_the_filter_or_all_others(asked: dict, keep: bool):
    wanted = filter_of(asked)
    rules = rules_of(wanted, keep=keep)
    assert rules.unsaid == ()
    database = PoolDatabase(ROWS.with_columns(position=0, n_turns=2, prompt=pl.lit(""), response=pl.lit("")), COLUMNS)
    shown = database.matching(wanted)
    database.close()
    dropped = mark_dropped(ROWS, recipe(rules.yaml).drop)["stage"].is_not_null().to_numpy()
    assert dropped.tolist() == (~shown if keep else shown).tolist()


def test_what_a_recipe_cannot_say_is_named():
    asked = {"text": "x", "clusters": [0], "tags": {"tags.p": ["t"]}, "box": {"x": [0, 1], "y": [0, 1]}}
    rules = rules_of(filter_of({**asked, "decisions": {"random": "kept"}}), keep=False)
    assert rules.yaml == ""
    assert [words.split(",")[0] for words in rules.unsaid] == [
        *("words of the text", "clusters", "tags", "decisions of recipes", "a part of the map")
    ]
