"""CSV: quoted fields over lines, and bad records that cost only themselves."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.storage.readers import SourceError, csv_rows
from datasel_assets_tests.storage.readers.helpers import read, reasons, records


def test_quoted_fields_may_hold_lines_delimiters_and_quotes(tmp_path: Path):
    data = 'q,a\r\n"two\r\nlines","say ""yes"", please"\r\n\r\nplain,\r\n\r\n'
    assert records(read(tmp_path, "x.csv", data)) == [
        {"q": "two\r\nlines", "a": 'say "yes", please'},
        {"q": "plain", "a": ""},
    ]


@given(
    table=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6), min_size=2, max_size=2),
        max_size=6,
    )
)
def test_what_the_csv_module_writes_is_read_back(table: list[list[str]]):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["x", "y"], *table])
    stream = io.BufferedReader(io.BytesIO(text.getvalue().encode()))  # type: ignore[arg-type]
    rows = list(csv_rows.rows(stream, 1000, 0, Path("x.csv")))
    assert records(rows) == [{"x": x, "y": y} for x, y in table]


@pytest.mark.parametrize(("name", "delimiter"), [("x.tsv", "\t"), ("x.csv", ";"), ("x.csv", ",")])
def test_the_delimiter_is_read_from_the_header(tmp_path: Path, name: str, delimiter: str):
    data = f"q{delimiter}a\n1{delimiter}2\n"
    assert records(read(tmp_path, name, data)) == [{"q": "1", "a": "2"}]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path):
    assert records(read(tmp_path, "x.csv", b"\xef\xbb\xbfq,a\n1,2")) == [{"q": "1", "a": "2"}]


@pytest.mark.parametrize("line", ["1", "1,2,3", '"1,2'])
def test_a_record_with_another_number_of_fields_goes_to_quarantine(tmp_path: Path, line: str):
    rows = read(tmp_path, "x.csv", f"q,a\n1,2\n{line}\n")
    assert records(rows) == [{"q": "1", "a": "2"}, None]
    assert reasons(rows)[0].startswith("wrong number of fields: ")
    assert rows[1].raw == f"{line}\n"


def test_bytes_that_are_not_utf8_cost_only_their_record(tmp_path: Path):
    rows = read(tmp_path, "x.csv", b'q,a\n1,2\n"\xff\n",4\n5,6\n')
    assert records(rows) == [{"q": "1", "a": "2"}, None, {"q": "5", "a": "6"}]
    assert reasons(rows)[0].startswith("invalid UTF-8")


def test_a_bare_carriage_return_costs_only_its_record(tmp_path: Path):
    rows = read(tmp_path, "x.csv", b"q,a\n1,2\n3\r4,5\n6,7\n")
    assert records(rows) == [{"q": "1", "a": "2"}, None, {"q": "6", "a": "7"}]
    assert reasons(rows)[0].startswith("broken CSV: ")


@pytest.mark.parametrize(
    "long",
    [
        "x" * 500 + ",y\n",
        '"' + "line\n" * 100 + '",y\n',
        '"' + "a quoted line\n" * 30 + '",y\n',
        '"' + "z" * 5000 + '\nend",y\n',
    ],
)
def test_a_record_over_the_limit_is_skipped_to_its_end(tmp_path: Path, long: str):
    rows = read(tmp_path, "x.csv", f"q,a\n1,2\n{long}3,4\n", row_chars=100)
    assert records(rows) == [{"q": "1", "a": "2"}, None, {"q": "3", "a": "4"}]
    assert "limits.row_chars = 100" in reasons(rows)[0]


def test_a_quote_that_is_never_closed_is_named_as_the_likely_cause(tmp_path: Path):
    rows = read(tmp_path, "x.csv", 'q,a\n1,2\n"3,4\n' + "5,6\n" * 100, row_chars=100)
    assert records(rows)[0] == {"q": "1", "a": "2"}
    assert "is a quote never closed?" in reasons(rows)[0]


def test_a_long_field_within_the_limit_is_read(tmp_path: Path):
    assert records(read(tmp_path, "x.csv", f"q,a\n{'x' * 200_000},2\n")) == [{"q": "x" * 200_000, "a": "2"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "must name the columns"),
        (b"\n\n1,2\n", "must name the columns"),
        (b"a,b,a\n1,2,3\n", "repeats the column 'a'"),
        (b"a,\xff\n1,2\n", "not UTF-8"),
        (b"x" * 5000, "cannot be read"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path: Path, data: bytes, words: str):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, "x.csv", data, row_chars=1000)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_every_way_to_end_a_line_gives_the_same_records(tmp_path: Path, end: str):
    data = end.join(["q,a", "1,2", '"two', 'lines","x"', "", "5,6"])
    for tail in ("", end):
        assert records(read(tmp_path, "x.csv", data + tail)) == [
            {"q": "1", "a": "2"},
            {"q": f"two{end}lines", "a": "x"},
            {"q": "5", "a": "6"},
        ]


def test_a_file_of_carriage_returns_is_read_in_bounded_pieces_and_its_bad_records_cost_only_themselves(tmp_path: Path):
    lines = [f"{i},{'x' * 100}" for i in range(20_000)]
    lines[7] = "7"
    lines[9] = "9," + "y" * 5_000
    rows = read(tmp_path, "x.csv", "q,a\r" + "\r".join(lines), row_chars=1_000)
    assert [i for i, record in enumerate(records(rows)) if record is None] == [7, 9]
    assert [reason.split(":")[0] for reason in reasons(rows)] == ["wrong number of fields", "row too long"]


def test_a_line_feed_in_a_quoted_field_of_a_file_of_carriage_returns_stays(tmp_path: Path):
    assert records(read(tmp_path, "x.csv", b'"q\n",a\r"one\ntwo",2\r')) == [{"q\n": "one\ntwo", "a": "2"}]


def test_pieces_that_end_their_lines_in_two_ways_are_read_behind_a_header_that_ends_in_one(tmp_path: Path):
    assert records(read(tmp_path, "x.csv", b"q,a\r1,2\r3,4\r\n5,6\r\n")) == [
        {"q": q, "a": a} for q, a in ("12", "34", "56")
    ]


def test_a_line_end_that_was_converted_twice_is_one_line_end(tmp_path: Path):
    assert records(read(tmp_path, "x.csv", b"q,a\r\r\n1,2\r\r\n3,4\r\r\n")) == [
        {"q": q, "a": a} for q, a in ("12", "34")
    ]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("last", ["", "END"])
def test_files_with_byte_order_marks_put_together_give_the_rows_of_each(tmp_path: Path, end: str, last: str):
    pieces = [f"\ufeffq,a{end}{i},{i}{end}{i + 1},x" for i in (1, 3, 5)]
    data = last.replace("END", end).join(pieces)
    assert records(read(tmp_path, "x.csv", data)) == [{"q": str(i), "a": str(i) if i % 2 else "x"} for i in range(1, 7)]


def test_a_mark_before_a_row_is_no_text_and_one_inside_a_field_is(tmp_path: Path):
    data = 'q,a\n\ufeff1,2\n3,a\ufeffb\n"\n\ufeff4",5\n'
    assert records(read(tmp_path, "x.csv", data)) == [
        {"q": "1", "a": "2"},
        {"q": "3", "a": "a\ufeffb"},
        {"q": "\n\ufeff4", "a": "5"},
    ]


def test_a_header_that_comes_again_without_a_mark_is_refused_by_name(tmp_path: Path):
    rows = read(tmp_path, "x.csv", "q,a\n1,2\nq,a\n3,4\n")
    assert records(rows) == [{"q": "1", "a": "2"}, None, {"q": "3", "a": "4"}]
    assert reasons(rows)[0].startswith("repeated header: ")
