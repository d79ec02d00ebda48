"""The example that a first run shows: made-up answers about hand-written rows."""

import shutil
from pathlib import Path

import polars as pl

from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.conftest import REPOSITORY


def test_the_shipped_answers_are_about_rows_that_are_there_and_tell_the_hasty_worker(tmp_path: Path):
    shutil.copytree(REPOSITORY / "data" / "samples", tmp_path / "data" / "samples")
    shutil.copytree(REPOSITORY / "data" / "labels", tmp_path / "data" / "labels")
    (tmp_path / "data" / "sources").mkdir()
    for path in (REPOSITORY / "data" / "sources").glob("samples_*.yaml"):
        shutil.copy(path, tmp_path / "data" / "sources")
    warehouse = open_warehouse(tmp_path / "data", device="cpu")
    assert warehouse.registry.errors == {}
    make(warehouse, "label_tasks/usable", upstream=True)
    tasks = warehouse.lake.scan(("label_tasks", "usable")).collect()
    assert tasks.filter(~pl.col("is_golden"))["n"].to_list() == [3] * 24
    assert tasks.filter(~pl.col("is_golden"))["is_settled"].all()
    assert make(warehouse, "label_answers/usable").built.checks["every_line_can_be_used"].passed
    workers = warehouse.lake.scan(("label_workers", "usable")).collect().sort("seconds")
    assert workers["accuracy"][0] < workers["accuracy"][1:].min()
    assert workers["bias"][0] > 0.1
