"""Selections as assets: what changes from one to the next, and other bounds without running anything again."""

import polars as pl
import pytest
import yaml

from datasel_assets import __main__ as command
from datasel_assets.defs.rethreshold import rethreshold
from datasel_assets_tests.defs.conftest import Project
from datasel_assets_tests.pools import add_source, rows, write_yaml


def recipe(project: Project, name: str, **changes) -> None:
    path = project.data / "recipes" / f"{name}.yaml"
    write_yaml(path, yaml.safe_load(path.read_text("utf-8")) | changes)


def chosen(project: Project, name: str) -> set[str]:
    return set(project.warehouse.lake.scan(("selections", name)).collect()["row_id"])


def test_rows_that_enter_and_leave_are_listed_and_a_bound_on_churn_limits_them(settled: Project):
    before = chosen(settled, "longest")
    longer = [{"instruction": f"Explain {i}.", "output": "word " * (90 + i)} for i in range(60)]
    add_source(settled.data, "sums", rows("sums", 40) + longer)
    recipe(settled, "longest", churn=0.2)
    settled.run()
    now = chosen(settled, "longest")
    changes = settled.warehouse.lake.scan(("changes", "longest")).collect()
    entered, left = (set(changes.filter(pl.col("change") == kind)["row_id"]) for kind in ("entered", "left"))
    assert (entered, left) == (now - before, before - now)
    assert 0 < len(now - before) <= 0.2 * len(now) + max(0, len(now) - len(before))
    stage = changes.filter(pl.col("change") == "left")["stage_now"]
    assert set(stage) <= {"budget"}


def test_another_budget_needs_no_run_and_publishes_nothing(settled: Project):
    warehouse = settled.warehouse
    versions = {key: warehouse.lake.version(key) for key in warehouse.lake.tables()}
    found = rethreshold(warehouse, "longest", {"rows": 5}, [{"score": "text.response_words", "above_quantile": 0.5}])
    assert found.selection.selected.height == 5
    assert found.selection.decisions.filter(pl.col("stage") == "rule:1").height == 60
    entered = found.changes.filter(pl.col("change") == "entered")
    assert set(entered["row_id"]) == set(found.selection.selected["row_id"]) - chosen(settled, "longest")
    assert {key: warehouse.lake.version(key) for key in warehouse.lake.tables()} == versions


def test_the_command_says_what_would_change_and_writes_the_rows(settled: Project, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DATASEL_DATA", str(settled.data))
    out = tmp_path / "rows.parquet"
    assert command.main(["rethreshold", "longest", "--budget", "rows: 7", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("longest: 7 rows, ")
    assert "enter and" in said
    assert pl.read_parquet(out).height == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "there is no recipe 'no_such'"),
        (["longest", "--budget", "rows: none"], "rows"),
        (["longest", "--drop", "{score: text.nothing, below: 1}"], "there is no score 'text.nothing'"),
        (["longest", "--budget", "{"], "expected"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(settled: Project, capsys, monkeypatch, arguments, message):
    monkeypatch.setenv("DATASEL_DATA", str(settled.data))
    assert command.main(["rethreshold", *arguments]) == 2
    assert message in capsys.readouterr().err
