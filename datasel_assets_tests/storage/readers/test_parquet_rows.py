"""Parquet: bounded batches, bad rows on their own, damaged files by name."""

import gzip
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.storage.readers import SourceError, parquet_rows
from datasel_assets_tests.storage.readers.helpers import read, read_uri, reasons, records


def test_rows_keep_their_order_nested_values_and_nulls(tmp_path: Path):
    values = [
        {"n": i, "turns": [{"from": "a", "value": str(i)}], "day": date(2024, 1, 1), "gap": None} for i in range(12_000)
    ]
    pq.write_table(pa.Table.from_pylist(values), tmp_path / "x.parquet", row_group_size=700)
    assert records(read_uri(tmp_path, "x.parquet")) == values


def test_a_text_that_is_not_utf8_costs_only_its_row(tmp_path: Path):
    texts = pa.array([b"fine", b"\xff\xfe", b"good"]).view(pa.string())
    pq.write_table(pa.table({"a": texts, "n": [1, 2, 3]}), tmp_path / "x.parquet")
    rows = read_uri(tmp_path, "x.parquet")
    assert records(rows) == [{"a": "fine", "n": 1}, None, {"a": "good", "n": 3}]
    assert reasons(rows)[0].startswith("invalid UTF-8")
    assert rows[1].raw == "\\xff\\xfe"


def test_a_row_over_the_limit_costs_only_itself(tmp_path: Path):
    values = [{"a": "x" * (5000 if i == 7 else 10)} for i in range(20)]
    pq.write_table(pa.Table.from_pylist(values), tmp_path / "x.parquet")
    rows = read_uri(tmp_path, "x.parquet", row_chars=1000)
    assert records(rows) == [None if i == 7 else value for i, value in enumerate(values)]
    assert "limits.row_chars = 1,000" in reasons(rows)[0]


def test_the_limit_counts_characters_not_bytes(tmp_path: Path):
    pq.write_table(pa.table({"a": ["é" * 600]}), tmp_path / "x.parquet")
    assert records(read_uri(tmp_path, "x.parquet", row_chars=1000)) == [{"a": "é" * 600}]


def test_a_small_file_that_decodes_to_much_is_refused_by_its_limit(tmp_path: Path):
    pq.write_table(pa.table({"a": ["x" * 100_000] * 300}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"bomb.parquet.*limits.file_bytes = 1,000,000"):
        read_uri(tmp_path, "bomb.parquet", file_bytes=1_000_000)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_damaged_file_is_named(tmp_path: Path, keep: float):
    pq.write_table(pa.table({"a": ["x"] * 1000}), tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(SourceError, match=r"cut.parquet: not a readable Parquet file"):
        read(tmp_path, "cut.parquet", data[: int(len(data) * keep)])


def test_columns_of_the_same_name_are_refused(tmp_path: Path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="two columns have the same name"):
        read_uri(tmp_path, "x.parquet")


def test_parquet_is_known_by_its_first_bytes_also_inside_gzip(tmp_path: Path):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    assert records(read(tmp_path, "download", data)) == [{"a": 1}, {"a": 2}]
    assert records(read(tmp_path, "x.parquet.gz", gzip.compress(data))) == [{"a": 1}, {"a": 2}]


def test_batches_get_smaller_where_rows_are_large(tmp_path: Path):
    pq.write_table(pa.table({"a": [f"{i:04}" * 12_500 for i in range(900)]}), tmp_path / "x.parquet")
    metadata = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert 1 <= parquet_rows._batch_rows(metadata) * 50_000 <= parquet_rows.BATCH_BYTES
