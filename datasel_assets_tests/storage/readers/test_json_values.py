"""JSON arrays as a stream: the same rows as the whole file at once, and the rows before and after a broken one."""

import io
import json
import tracemalloc
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.storage.readers import json_values
from datasel_assets_tests.storage.readers.helpers import read, read_uri, reasons, records

A, B = '{"a": 1}', '{"a": 2}'
GOOD = [{"a": 1}, {"a": 2}]

json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\[]{}', max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=3), json_value, max_size=3), max_size=8),
    indent=st.none() | st.integers(0, 2),
    ascii=st.booleans(),
    chunk=st.integers(1, 40),
)
def test_the_stream_gives_what_parsing_the_whole_file_gives(objects: list, indent, ascii: bool, chunk: int):
    try:
        data = json.dumps(objects, indent=indent, ensure_ascii=ascii).encode()
    except UnicodeEncodeError:
        data = json.dumps(objects, indent=indent).encode()
    with mock.patch.object(json_values, "CHUNK_BYTES", chunk):
        rows = list(json_values.rows(io.BufferedReader(io.BytesIO(data)), 10_000, 0))  # type: ignore[arg-type]
    assert records(rows) == json.loads(data)


@given(data=st.binary(max_size=60), chunk=st.integers(1, 20), limit=st.integers(1, 50))
def test_any_bytes_are_read_to_their_end_without_an_exception(data: bytes, chunk: int, limit: int):
    with mock.patch.object(json_values, "CHUNK_BYTES", chunk):
        stream = io.BufferedReader(io.BytesIO(b"[" + data))  # type: ignore[arg-type]
        records(list(json_values.rows(stream, limit, 0)))
        assert stream.read() == b""


@given(text=st.text('[]{}",:\\ a1', max_size=40), chunk=st.integers(1, 20))
def test_any_brackets_and_quotes_are_read_to_their_end(text: str, chunk: int):
    with mock.patch.object(json_values, "CHUNK_BYTES", chunk):
        stream = io.BufferedReader(io.BytesIO(text.encode()))  # type: ignore[arg-type]
        records(list(json_values.rows(stream, 30, 0)))
        assert stream.read() == b""


@pytest.mark.parametrize("bad", ['{"a": }', '{"a" 1}', '{"a": 1,}', '{"a": [1 2]}', '{"a": nope}', '{"a": "\t"}'])
def test_a_broken_element_costs_only_itself(tmp_path: Path, bad: str):
    rows = read(tmp_path, "x.json", f"[{A},\n {bad},\n {B}]")
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert reasons(rows)[0].startswith("broken JSON: ")
    assert rows[1].raw == bad


def test_elements_that_are_not_objects_go_to_quarantine(tmp_path: Path):
    rows = read(tmp_path, "x.json", f'[{A}, 3, null, "text", [1, {{}}], {B}]')
    assert records(rows) == [GOOD[0], None, None, None, None, GOOD[1]]
    assert {reason.split(":")[0] for reason in reasons(rows)} == {"not an object"}


def test_a_missing_or_extra_comma_loses_nothing(tmp_path: Path):
    assert records(read(tmp_path, "x.json", f"[{A} {B},,{A},]")) == [*GOOD, GOOD[0]]


@pytest.mark.parametrize("tail", ['{"a": 3', '{"a": "unfinished', '{"a": "\\', "[[["])
def test_a_file_cut_inside_a_row_keeps_the_rows_before_it(tmp_path: Path, tail: str):
    rows = read(tmp_path, "x.json", f"[{A}, {B}, {tail}")
    assert records(rows) == [*GOOD, None]
    assert reasons(rows) == ["cut off: the file ends inside this row"]
    assert rows[2].raw == tail


def test_a_file_cut_between_rows_says_so(tmp_path: Path):
    rows = read(tmp_path, "x.json", f"[{A}, {B},")
    assert records(rows) == [*GOOD, None]
    assert reasons(rows) == ["cut off: the file ends before the closing ']' of its array"]


def test_what_stands_behind_the_array_is_read_as_well(tmp_path: Path):
    assert records(read(tmp_path, "x.json", f"[{A}] {B}")) == GOOD
    assert records(read(tmp_path, "x.json", f"[{A}]\n[{B}]\n[]")) == GOOD
    rows = read(tmp_path, "x.json", f"[{A}] And then: {B}]")
    assert records(rows) == [GOOD[0], None, GOOD[1], None]
    assert (rows[1].raw, rows[3].raw) == ("And then:", "]")


def test_bytes_that_are_not_utf8_cost_only_their_row(tmp_path: Path):
    rows = read(tmp_path, "x.json", b'[{"a": 1}, {"a": "\xff\xfe"}, {"a": 2}]')
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert reasons(rows)[0].startswith("invalid UTF-8")


def test_deep_nesting_costs_only_its_row(tmp_path: Path):
    deep = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    rows = read(tmp_path, "x.json", f"[{A}, {deep}, {B}]")
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert reasons(rows)[0].startswith("nested too deeply")


def test_a_byte_order_mark_and_windows_lines_do_not_matter(tmp_path: Path):
    assert (
        records(read(tmp_path, "x.json", b"\xef\xbb\xbf[\r\n" + A.encode() + b",\r\n" + B.encode() + b"\r\n]\r\n\r\n"))
        == GOOD
    )


def test_objects_over_several_lines_without_an_array_are_read(tmp_path: Path):
    pretty = "\n".join(json.dumps(record, indent=2) for record in GOOD)
    assert records(read(tmp_path, "x.json", pretty)) == GOOD


def test_a_row_over_the_limit_costs_only_itself(tmp_path: Path):
    long = json.dumps({"a": 'quote \\" and ] } ' * 50})
    rows = read(tmp_path, "x.json", f"[{A}, {long}, {B}]", row_chars=100)
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert "limits.row_chars = 100" in reasons(rows)[0]


def test_a_row_of_50_mb_takes_a_fraction_of_that_memory(tmp_path: Path):
    with (tmp_path / "x.json").open("wb") as file:
        file.write(f'[{A}, {{"a": "'.encode() + b"x" * 50_000_000 + f'"}}, {B}]'.encode())
    tracemalloc.start()
    rows = read_uri(tmp_path, "x.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert peak < 25_000_000
