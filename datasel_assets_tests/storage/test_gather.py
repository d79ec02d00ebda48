"""Rows by their positions, over several files and row groups, against plain slicing."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.storage.gather import gather

ROWS = pl.DataFrame({"n": range(40), "text": [f"text {i}" for i in range(40)], "other": [0] * 40})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    bounds = [0, 13, 13, 40]  # the second file is empty
    paths = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        paths.append(tmp_path / f"{number}.parquet")
        ROWS[start:stop].write_parquet(paths[-1], row_group_size=5)
    return paths


@pytest.mark.parametrize("positions", [[], [0], [39, 0, 12, 13], [20, 20, 3, 20], list(range(40))[::-1]])
def test_rows_come_in_the_order_of_their_positions(files: list[Path], positions: list[int]):
    found = gather(files, ["text", "n"], np.array(positions, np.int64))
    assert found.equals(ROWS.select("text", "n")[positions])


def test_nested_rows_come_back_as_they_are(tmp_path: Path):
    turns = pl.DataFrame({"messages": [[{"role": "user", "content": f"text {i}"}] for i in range(12)]})
    turns.write_parquet(tmp_path / "0.parquet", row_group_size=4)
    found = gather([tmp_path / "0.parquet"], ["messages"], np.array([11, 0, 5]))
    assert found.equals(turns[[11, 0, 5]])


def test_a_row_group_without_wanted_rows_is_not_read(files: list[Path], monkeypatch):
    read, groups = pq.ParquetFile.read_row_group, []

    def counted(file: pq.ParquetFile, group: int, **options: object) -> pa.Table:
        groups.append(group)
        return read(file, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    gather(files, ["n"], np.array([5, 6, 38]))
    assert groups == [1, 5]


@pytest.mark.parametrize("position", [-1, 40])
def test_a_position_beyond_the_rows_is_refused(files: list[Path], position: int):
    with pytest.raises(IndexError, match="a table with 40 rows"):
        gather(files, ["n"], np.array([3, position]))
