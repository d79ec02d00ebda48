"""What a first run shows of people and judges: made-up answers about hand-written rows."""

import shutil
from pathlib import Path

import polars as pl

from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.conftest import REPOSITORY


def shipped(tmp_path: Path) -> Path:
    """Return a data folder with the hand-written rows and what is said of them."""
    for folder in ("samples", "labels", "answers"):
        shutil.copytree(REPOSITORY / "data" / folder, tmp_path / "data" / folder)
    (tmp_path / "data" / "sources").mkdir()
    for path in (REPOSITORY / "data" / "sources").glob("samples_*.yaml"):
        shutil.copy(path, tmp_path / "data" / "sources")
    return tmp_path / "data"


def test_the_shipped_answers_are_about_rows_that_are_there_and_tell_the_hasty_worker(tmp_path: Path):
    warehouse = open_warehouse(shipped(tmp_path), device="cpu")
    assert warehouse.registry.errors == {}
    make(warehouse, "label_tasks/usable", upstream=True)
    tasks = warehouse.lake.scan(("label_tasks", "usable")).collect()
    assert tasks.filter(~pl.col("is_golden"))["n"].to_list() == [3] * 24
    assert tasks.filter(~pl.col("is_golden"))["is_settled"].all()
    assert make(warehouse, "label_answers/usable").built.checks["every_line_can_be_used"].passed
    workers = warehouse.lake.scan(("label_workers", "usable")).collect().sort("seconds")
    assert workers["accuracy"][0] < workers["accuracy"][1:].min()
    assert workers["bias"][0] > 0.1


def test_the_page_of_the_shipped_judge_holds_it_against_the_people(tmp_path: Path):
    data = shipped(tmp_path)
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    for table in all_tables(warehouse.registry):
        if table.key in {("answers", "usable_judge"), ("scores", "usable_judge")}:
            assert not table.on_demand, "it is part of the first run"
    make(warehouse, "label_truth/usable", upstream=True)
    for source in warehouse.active_sources():
        make(warehouse, "answers/usable_judge", source)
    make(warehouse, "duplicates", upstream=True)
    page = make(warehouse, "scores/usable_judge").built.metadata
    assert (page["rows_with_a_score"], page["failed"], page["replies_about_no_row"]) == (28, 0, 0), (
        "two of them are there twice"
    )
    assert 0 < page["unread_share"] < 0.05
    assert page["cost"] > 0
    (line,) = page["other judges"].cells
    told = dict(zip(page["other judges"].columns, line, strict=True))
    assert told["other judge"] == "usable.score"
    assert told["rows"] == 28
    assert 0 < told["Spearman"] < 1
    assert -1 < told["alpha"] < 1
