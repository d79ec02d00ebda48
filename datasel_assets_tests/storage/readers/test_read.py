"""From names and first bytes to readers; compression and its limits; numbering over files."""

import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import SourceError, read_rows, snapshot
from datasel_assets_tests.storage.readers.helpers import read, read_uri, records

ROWS = [{"q": "one\ntwo", "a": "ä"}, {"q": "3", "a": "4"}]
JSONL = '{"q": "one\\ntwo", "a": "ä"}\n{"q": "3", "a": "4"}\n'.encode()
ARRAY = b"[" + JSONL.replace(b"}\n{", b"},\n{") + b"]"
CSV = 'q,a\n"one\ntwo",ä\n3,4\n'.encode()


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gz", "zst"])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", JSONL),
        ("x.ndjson", JSONL),
        ("x.json", JSONL),
        ("x.json", ARRAY),
        ("x.csv", CSV),
        ("x.parquet", parquet()),
    ],
)
def test_every_format_is_read_plain_and_compressed(tmp_path: Path, name: str, data: bytes, pack):
    ending = {bytes: "", gzip.compress: ".gz", zstd: ".zst"}[pack]
    assert records(read(tmp_path, name + ending, pack(data))) == ROWS


@pytest.mark.parametrize("data", [JSONL, ARRAY, gzip.compress(ARRAY), zstd(JSONL)], ids=["lines", "array", "gz", "zst"])
def test_json_and_compression_are_known_by_their_first_bytes(tmp_path: Path, data: bytes):
    assert records(read(tmp_path, "no_ending", data)) == ROWS


def test_an_array_under_the_name_jsonl_is_read_and_a_line_with_a_bracket_is_no_array(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl", ARRAY)) == ROWS
    assert records(read(tmp_path, "x.jsonl", b"[ERROR] disk ] full\n" + JSONL)) == [None, *ROWS]


def test_a_name_that_promises_gzip_does_not_bind_a_file_that_is_none(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl.gz", JSONL)) == ROWS


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_concatenated_compressed_members_are_one_file(tmp_path: Path, pack):
    assert records(read(tmp_path, "x.jsonl.z", pack(JSONL) + pack(JSONL))) == ROWS * 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_bomb_stops_at_the_limit_and_is_named_with_the_key(tmp_path: Path, pack):
    bomb = pack(b"\n" * 50_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(SourceError, match=r"bomb.jsonl.gz: holds more than limits.file_bytes = 1,000,000 bytes"):
        read(tmp_path, "bomb.jsonl.gz", bomb, file_bytes=1_000_000)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_compressed_file_that_is_cut_off_is_named(tmp_path: Path, pack):
    data = pack("".join(f'{{"n": {i * 7919}}}\n' for i in range(50_000)).encode())
    with pytest.raises(SourceError, match=r"cut.jsonl.gz: damaged or cut off"):
        read(tmp_path, "cut.jsonl.gz", data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.jsonl.bz2", b"BZh91AY&SY", "bzip2 is not supported"),
        ("x.zip", b"PK\x03\x04rest", "zip is not supported"),
        ("x.csv", "q,a\n1,2".encode("utf-16"), "UTF-16 is not supported"),
        ("x.txt", b"plain words", "cannot be told from its name or its first bytes"),
    ],
)
def test_what_is_not_read_is_refused_with_what_is(tmp_path: Path, name: str, data: bytes, words: str):
    with pytest.raises(SourceError, match=words):
        read(tmp_path, name, data)


def test_rows_are_numbered_over_all_files_and_generators(tmp_path: Path):
    (tmp_path / "b.jsonl").write_bytes(JSONL)
    (tmp_path / "a.csv").write_bytes(CSV)
    rows = read_uri(tmp_path, ["b.jsonl", "arithmetic:?rows=3", "a.csv"])
    assert len(records(rows)) == 7
    assert records(rows)[:2] == records(rows)[5:] == ROWS


def test_a_file_that_changes_after_its_snapshot_is_not_read(tmp_path: Path):
    (tmp_path / "x.jsonl").write_bytes(JSONL)
    spec = SourceSpec(uri="x.jsonl")
    content = snapshot(spec, "s", tmp_path, tmp_path / "cache")
    (tmp_path / "x.jsonl").write_bytes(JSONL * 2)
    with pytest.raises(SourceError, match="changed while the source was being read"):
        list(read_rows(content, spec))
    (tmp_path / "x.jsonl").unlink()
    with pytest.raises(SourceError, match="is gone"):
        list(read_rows(content, spec))


def test_a_file_that_grows_while_it_is_read_fails_the_reading(tmp_path: Path):
    (tmp_path / "x.jsonl").write_bytes(JSONL)
    spec = SourceSpec(uri="x.jsonl")
    rows = read_rows(snapshot(spec, "s", tmp_path, tmp_path / "cache"), spec)
    next(rows)
    with (tmp_path / "x.jsonl").open("ab") as file:
        file.write(JSONL)
    with pytest.raises(SourceError, match="changed while the source was being read"):
        list(rows)


TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_a_line_that_is_a_list_of_turns_is_a_row_of_messages(tmp_path: Path, name: str):
    line = json.dumps(TURNS)
    assert records(read(tmp_path, name, f"{line}\n{line}\n")) == [{"messages": TURNS}] * 2
    assert records(read(tmp_path, name, f"[{line},\n{line}]")) == [{"messages": TURNS}] * 2


def test_a_lone_line_of_turns_and_one_that_is_longer_than_what_is_looked_at_are_rows(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl", json.dumps(TURNS))) == [{"messages": TURNS}]
    long = [{"role": "user", "content": "x" * 1_500_000}, TURNS[1]]
    assert records(read(tmp_path, "x.jsonl", json.dumps(long) + "\n" + json.dumps(TURNS))) == [
        {"messages": long},
        {"messages": TURNS},
    ]


def test_a_line_of_pairs_is_a_row_and_a_line_of_records_is_an_array_of_rows(tmp_path: Path):
    pairs = [["user", "q"], ["assistant", "a"]]
    assert records(read(tmp_path, "x.jsonl", json.dumps(pairs))) == [{"messages": pairs}]
    assert records(read(tmp_path, "x.jsonl", json.dumps([TURNS, TURNS]))) == [{"messages": TURNS}] * 2
    assert records(read(tmp_path, "x.jsonl", json.dumps(ROWS) + "\n" + json.dumps(ROWS))) == ROWS * 2


def test_lists_of_pairs_reach_the_schemas_and_lists_of_numbers_do_not(tmp_path: Path):
    rows = read(tmp_path, "x.json", '[[["user", "q"], ["assistant", "a"]], [1, 2], []]')
    assert records(rows) == [{"messages": [["user", "q"], ["assistant", "a"]]}, None, None]


def test_zstd_frames_that_readers_pass_over_may_stand_anywhere(tmp_path: Path):
    skip = [bytes([0x50 + i]) + b"\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"any" for i in (0, 15)]
    for data in (skip[0] + zstd(JSONL), zstd(JSONL) + skip[1], skip[0] + skip[1] + zstd(JSONL) + skip[0]):
        assert records(read(tmp_path, "x.jsonl.zst", data)) == ROWS
    assert records(read(tmp_path, "x", zstd(JSONL) + skip[0] + zstd(JSONL))) == ROWS * 2


def test_gzip_members_with_padding_are_one_file(tmp_path: Path):
    assert records(read(tmp_path, "x.jsonl.gz", gzip.compress(JSONL) + gzip.compress(JSONL) + bytes(512))) == ROWS * 2


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.zst", "x.parquet.gz", "x.JSON.GZ", "y.gz"])
@pytest.mark.parametrize("data", [b"\x04\x22\x4d\x18lz4 frame", b"<!DOCTYPE html><p>moved</p>", b"\x00\x01\x02\xff"])
def test_a_name_that_promises_compression_over_bytes_that_are_nothing_is_named(tmp_path: Path, name: str, data: bytes):
    with pytest.raises(SourceError, match=rf"{name}: its name promises compression, but its bytes are neither"):
        read(tmp_path, name, data)


def test_a_table_that_a_server_decompressed_is_read_under_its_compressed_name(tmp_path: Path):
    assert records(read(tmp_path, "x.csv.gz", CSV)) == ROWS
    assert records(read(tmp_path, "x.json.zst", ARRAY)) == ROWS
