"""Other bounds of a recipe on the command line."""

import polars as pl
import pytest


def test_it_says_what_would_change_and_writes_the_rows(datasel, prepared, tmp_path):
    out = tmp_path / "rows.parquet"
    answer = datasel(prepared, "rethreshold", "longest", "--budget", "rows: 7", "--out", str(out))
    assert answer.status == 0
    assert answer.out.startswith("longest: 7 rows, ")
    assert "enter and" in answer.out
    assert pl.read_parquet(out).height == 7
    assert f"to release it, change {prepared}/recipes/longest.yaml" in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "there is no recipe 'no_such'"),
        (["longest", "--budget", "rows: none"], "rows"),
        (["longest", "--drop", "{score: text.nothing, below: 1}"], "there is no score 'text.nothing'"),
        (["longest", "--budget", "{"], "expected"),
        (
            ["longest", "--budget", "0.05"],
            "budget: must be a valid dictionary or instance of BudgetSpec",
        ),
        (["longest", "--drop", "foo"], "drop[0]: must be a valid dictionary or instance of DropRule, but it is 'foo'"),
        (["longest", "--drop", "{score: n_tokens, abov: 1}"], "did you mean 'above'?"),
    ],
)
def test_it_refuses_what_it_cannot_do(datasel, untouched, arguments, message):
    answer = datasel(untouched, "rethreshold", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert "pydantic" not in answer.err
