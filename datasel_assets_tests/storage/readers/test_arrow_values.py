"""Every Arrow type that Parquet holds: each value as a person would write it, and odd ones at the cost of their row."""

import uuid
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.storage.readers.arrow_values import values
from datasel_assets_tests.storage.readers.helpers import read_uri, reasons, records

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([b"caf\xc3\xa9", b"", None]), ["café", "", None]),
        (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
        (pa.array([b"ab"], pa.large_binary()), ["ab"]),
        (pa.array([b"ab"], pa.binary_view()), ["ab"]),
        (pa.array([10**18 + 1], pa.timestamp("ns")), ["2001-09-09 01:46:40.000000001"]),
        (pa.array([10**18 + 1], pa.timestamp("ns", "UTC")), ["2001-09-09 01:46:40.000000001+00:00"]),
        (pa.array([10**18 + 1], pa.timestamp("ns", "Asia/Kolkata")), ["2001-09-09 07:16:40.000000001+05:30"]),
        (pa.array([1], pa.timestamp("us", "Mars/Base")), ["1970-01-01 00:00:00.000001+00:00"]),
        (pa.array([10**15], pa.timestamp("us")), [datetime(2001, 9, 9, 1, 46, 40)]),
        (pa.array([10**18], pa.timestamp("us")), ["1000000000000000000 us since 1970-01-01"]),
        (pa.array([10**7], pa.int32()).cast(pa.date32()), ["29349-01-26"]),
        (pa.array([10**9 + 1], pa.time64("ns")), ["00:00:01.000000001"]),
        (pa.array([90_061, -1], pa.duration("s")), ["1 day, 1:01:01", "-1 day, 23:59:59"]),
        (pa.array([10**18], pa.duration("s")), ["11574074074074 days, 1:46:40"]),
        (pa.array([1], pa.duration("ms")), ["0:00:00.001"]),
        (pa.array([1], pa.duration("ns")), ["0:00:00.000000001"]),
        (pa.array([Decimal("1.500"), Decimal("-0.001")]), ["1.500", "-0.001"]),
        (pa.array([Decimal("9" * 70)], pa.decimal256(76, 0)), ["9" * 70]),
        (pa.array([1.5, None], pa.float16()), [1.5, None]),
        (pa.array(['{"a": 1}'], pa.json_()), ['{"a": 1}']),
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID.bytes], pa.binary(16))), [str(UUID)]),
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), [True, False]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.ListArray.from_arrays([0, 2], pa.array([b"a", b"b"]).dictionary_encode()), [["a", "b"]]),
        (pa.array([[("a", b"1")], None], pa.map_(pa.string(), pa.binary())), [{"a": "1"}, None]),
        (pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())), [[["a", 1], ["a", 2]]]),
        (pa.array([[(1, "x")]], pa.map_(pa.int64(), pa.string())), [[[1, "x"]]]),
        (pa.array([[b"1"], [b"2", b"3"]], pa.list_view(pa.binary())), [["1"], ["2", "3"]]),
        (pa.array([[b"1"]], pa.large_list(pa.binary())), [["1"]]),
        (pa.array([[b"1", b"2"]], pa.list_(pa.binary(), 2)), [["1", "2"]]),
        (pa.array([{"t": 1, "b": b"x"}], pa.struct([("t", pa.timestamp("ns")), ("b", pa.binary())])),
         [{"t": "1970-01-01 00:00:00.000000001", "b": "x"}]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.nulls(1), [None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_every_type_reads_as_a_person_would_write_it(tmp_path: Path, array: pa.Array, expected: list[Any]):
    assert values(array) == expected
    pq.write_table(pa.table({"a": array}), tmp_path / "x.parquet")
    assert records(read_uri(tmp_path, "x.parquet")) == [{"a": value} for value in expected]


def test_bytes_that_are_not_utf8_stay_bytes_for_the_schema_to_judge(tmp_path: Path):
    pq.write_table(pa.table({"a": [b"text", b"\xff\x00"]}), tmp_path / "x.parquet")
    assert records(read_uri(tmp_path, "x.parquet")) == [{"a": "text"}, {"a": b"\xff\x00"}]


def test_a_text_inside_a_structure_that_is_not_utf8_costs_only_its_row(tmp_path: Path):
    broken = pa.array([b"fine", b"\xff"]).view(pa.string())
    turns = pa.ListArray.from_arrays([0, 1, 2], pa.StructArray.from_arrays([broken], ["content"]))
    pq.write_table(pa.table({"turns": turns}), tmp_path / "x.parquet")
    rows = read_uri(tmp_path, "x.parquet")
    assert records(rows) == [{"turns": [{"content": "fine"}]}, None]
    assert reasons(rows)[0].startswith("invalid UTF-8: ")


def test_one_odd_value_leaves_the_others_of_its_column_as_they_are(tmp_path: Path):
    stamps = pa.array([0, 10**18, None], pa.timestamp("us"))
    pq.write_table(pa.table({"t": stamps}), tmp_path / "x.parquet")
    assert [record["t"] for record in records(read_uri(tmp_path, "x.parquet")) if record] == [
        datetime(1970, 1, 1),
        "1000000000000000000 us since 1970-01-01",
        None,
    ]


def test_a_time_of_old_spark_beyond_the_reach_of_nanoseconds_is_not_wrapped_around(tmp_path: Path):
    stamps = pa.array([datetime(9999, 12, 31)], pa.timestamp("us"))
    pq.write_table(pa.table({"t": stamps}), tmp_path / "x.parquet", use_deprecated_int96_timestamps=True)
    assert records(read_uri(tmp_path, "x.parquet")) == [{"t": datetime(9999, 12, 31)}]


leaves = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=5), st.integers(-(2**40), 2**40))


@given(st.lists(st.fixed_dictionaries({"a": leaves.filter(lambda v: not isinstance(v, int)), "b": st.lists(st.text(
    st.characters(codec="utf-8"), max_size=3), max_size=3)}), min_size=1, max_size=5))  # fmt: skip
def test_a_column_of_bytes_reads_like_the_same_column_of_texts(rows: list[dict]):
    text = pa.struct([("a", pa.string()), ("b", pa.list_(pa.string()))])
    data = pa.struct([("a", pa.binary()), ("b", pa.list_(pa.binary()))])
    assert values(pa.array(rows, text)) == values(pa.array(rows, text).cast(data)) == rows
