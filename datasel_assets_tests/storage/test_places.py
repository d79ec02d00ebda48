"""Rows of Parquet files by their place."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.storage.places import rows_at


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """25 rows in three files, one of them empty, with row groups of four rows."""
    paths = []
    for number, (start, stop) in enumerate(((0, 10), (10, 10), (10, 25))):
        texts = [[{"content": f"text {i}"}] for i in range(start, stop)]
        kind = pa.list_(pa.struct([("content", pa.string())]))
        table = pa.table({"number": range(start, stop), "text": pa.array(texts, kind), "unused": range(start, stop)})
        paths.append(tmp_path / f"{number}.parquet")
        pq.write_table(table.cast(table.schema.set(0, pa.field("number", pa.int64()))), paths[-1], row_group_size=4)
    return paths


@pytest.mark.parametrize("places", [[0], [24], [3, 4, 9, 10], [20, 3, 3, 11, 0], [], list(range(25))[::-1]])
def test_rows_come_in_the_order_they_are_asked_for(files: list[Path], places: list[int]):
    found = rows_at(files, np.array(places, np.int64), ["text", "number"])
    assert found.column_names == ["text", "number"]
    assert found["number"].to_pylist() == places
    assert [row[0]["content"] for row in found["text"].to_pylist()] == [f"text {i}" for i in places]


def test_a_row_group_without_wanted_rows_is_not_read(files: list[Path], monkeypatch):
    read, groups = pq.ParquetFile.read_row_group, []

    def counted(file: pq.ParquetFile, group: int, **options: object) -> pa.Table:
        groups.append(group)
        return read(file, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    rows_at(files, np.array([5, 6, 24]), ["number"])
    assert groups == [1, 3]


def test_a_place_behind_the_last_row_is_refused(files: list[Path]):
    with pytest.raises(IndexError, match="row 25 was asked for, but there are 25"):
        rows_at(files, np.array([0, 25]), ["number"])
