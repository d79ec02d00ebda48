"""JSON Lines: a bad line costs itself and nothing else."""

import json
import tracemalloc
from pathlib import Path

import pytest

from datasel_assets_tests.storage.readers.helpers import read, read_uri, reasons, records

A, B = b'{"a": 1}', b'{"a": 2}'
GOOD = [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "data",
    [
        A + b"\n" + B,
        A + b"\n" + B + b"\n",
        A + b"\r\n" + B + b"\r\n",
        b"\xef\xbb\xbf" + A + b"\n" + B + b"\n\n\n  \n",
        b"\n\n" + A + b"\n\n" + B,
    ],
)
def test_line_ends_blank_lines_and_byte_order_marks_do_not_matter(tmp_path: Path, data: bytes):
    assert records(read(tmp_path, "x.jsonl", data)) == GOOD


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "broken JSON"),
        (b"not json", "broken JSON"),
        (b'{"a": "\xff"}', "invalid UTF-8"),
        (b'{"a": "raw \x00 byte"}', "broken JSON"),
        (b"\x00\x00\x00\x00", "broken JSON"),
        (b"[1, 2]", "not an object"),
        (b"3", "not an object"),
        (b"null", "not an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "broken JSON"),
    ],
)
def test_a_bad_line_goes_to_quarantine_and_the_next_ones_are_read(tmp_path: Path, line: bytes, reason: str):
    rows = read(tmp_path, "x.jsonl", A + b"\n" + line + b"\n" + B)
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert reasons(rows)[0].startswith(reason)


def test_an_escaped_nul_and_an_escaped_pair_are_text(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl", rb'{"a": "\u0000\ud83d\ude00"}')) == [{"a": "\0😀"}]


def test_what_is_kept_of_a_bad_line_is_short_and_printable(tmp_path: Path):
    (row,) = read(tmp_path, "x.jsonl", b'{"a": "\xff' + b"x" * 50_000)
    assert row.raw is not None
    assert row.raw.startswith('{"a": "\\xffxxx')
    assert len(row.raw) == 10_000
    assert row.raw.isascii()


def test_a_line_over_the_limit_is_skipped_to_its_end(tmp_path: Path):
    long = json.dumps({"a": "é" * 200}, ensure_ascii=False).encode()
    rows = read(tmp_path, "x.jsonl", A + b"\n" + long + b"\n" + long * 20 + b"\n" + B, row_chars=100)
    assert records(rows) == [GOOD[0], None, None, GOOD[1]]
    assert all("limits.row_chars = 100" in reason for reason in reasons(rows))


def test_the_limit_counts_characters_not_bytes(tmp_path: Path):
    line = json.dumps({"a": "é" * 92}, ensure_ascii=False)
    assert len(line) == 101
    assert records(read(tmp_path, "x.jsonl", line, row_chars=101)) == [{"a": "é" * 92}]
    assert records(read(tmp_path, "x.jsonl", line, row_chars=100)) == [None]


def test_a_row_of_50_mb_takes_a_fraction_of_that_memory(tmp_path: Path):
    with (tmp_path / "x.jsonl").open("wb") as file:
        file.write(A + b'\n{"a": "' + b"x" * 50_000_000 + b'"}\n' + B)
    tracemalloc.start()
    rows = read_uri(tmp_path, "x.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records(rows) == [GOOD[0], None, GOOD[1]]
    assert peak < 25_000_000


def test_lines_under_the_name_json_are_read_as_lines(tmp_path: Path):
    assert records(read(tmp_path, "x.json", A + b"\nbroken\n" + B)) == [GOOD[0], None, GOOD[1]]
    assert records(read(tmp_path, "one.json", A)) == GOOD[:1]


def test_an_empty_file_has_no_rows(tmp_path: Path):
    assert read(tmp_path, "x.jsonl", b"") == []


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("between", [b"\n" + MARK, MARK, b"\n" + MARK + b"\n", b"\r\n" + MARK * 2, b" " + MARK + b" "])
def test_a_byte_order_mark_between_two_rows_is_no_text(tmp_path: Path, between: bytes):
    for name in ("x.jsonl", "x.json"):
        assert records(read(tmp_path, name, MARK + A + between + B)) == GOOD


def test_a_byte_order_mark_inside_a_text_stays(tmp_path: Path):
    line = '{"a": "}\ufeff{"}'
    assert records(read(tmp_path, "x.jsonl", line + "\n" + line)) == [{"a": "}\ufeff{"}] * 2


def test_many_marks_in_one_line_take_no_longer_than_any_other_text(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl", '{"a": "' + "}\ufeff{" * 300_000 + '"}')) == [{"a": "}\ufeff{" * 300_000}]
    assert records(read(tmp_path, "x.jsonl", '{"a": "' + "}\ufeff{" * 300_000)) == [None]
