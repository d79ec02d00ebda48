"""Views over everybody who was asked, in a real DuckDB file."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.storage.catalog import build_catalog

duckdb = pytest.importorskip("duckdb")

TABLES = {
    "label_workers_a": {"worker": ["x", "y"], "answers": [3, 1], "seconds": [10.0, None], "cost": [0.3, 0.1]},
    "label_workers_b": {"worker": ["x"], "answers": [2], "seconds": [5.0], "cost": [0.0]},
    "label_tasks_a": {"row_id": ["r"], "place": [0]},
    "label_truth_a": {
        "answer": ["yes", None, "no"],
        "n": [2, 2, 0],
        "agreed": [1.0, None, None],
        "posterior": [0.9, 0.5, 1.0],
        "is_settled": [True, False, True],
        "is_golden": [False, False, True],
    },
    "answers_c": {
        "unread": [None, "no number"],
        "failed": pl.Series([None, None], dtype=pl.String),
        "tokens_in": [10, 20],
        "tokens_out": [1, 2],
        "latency": [0.5, 0.5],
        "cost": [1.0, 2.0],
    },
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    files = {}
    for name, columns in TABLES.items():
        files[name] = [folder / f"{name}.parquet"]
        pl.DataFrame(columns).write_parquet(files[name][0])
    info = build_catalog(folder / "c.duckdb", files, {})
    assert {"workers", "tasks", "agreement", "asking_costs"} <= set(info.views)
    return folder / "c.duckdb"


def rows(path: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_workers_and_tasks_of_all_files_stand_together(catalog: Path):
    assert rows(catalog, "SELECT labels, worker FROM workers ORDER BY ALL") == [("a", "x"), ("a", "y"), ("b", "x")]
    assert rows(catalog, "SELECT labels, row_id FROM tasks") == [("a", "r")]


def test_agreement_leaves_golden_rows_out_and_counts_ties(catalog: Path):
    sql = "SELECT labels, rows, answers, agreed, posterior, tied, settled FROM agreement"
    assert rows(catalog, sql) == [("a", 2, 4, 1.0, pytest.approx(0.7), 1, 1)]


def test_what_models_and_people_cost_stands_in_one_view(catalog: Path):
    sql = "SELECT file, who, answers, unread, tokens_in, cost FROM asking_costs ORDER BY file"
    assert rows(catalog, sql) == [
        ("a", "people", 4, None, None, pytest.approx(0.4)),
        ("b", "people", 2, None, None, 0.0),
        ("c", "model", 2, 1, 30, 3.0),
    ]


def test_where_nobody_was_asked_there_is_no_such_view_and_no_table_may_be_called_so(tmp_path: Path):
    assert "workers" not in build_catalog(tmp_path / "c.duckdb", {}, {}).views
    with pytest.raises(ValueError, match="makes 'workers' itself"):
        build_catalog(tmp_path / "c.duckdb", {}, {"workers": pl.DataFrame({"a": [1]})})
