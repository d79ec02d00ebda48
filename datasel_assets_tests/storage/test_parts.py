"""Large tables are immutable parts under a manifest; small ones are one file; readers never see half of either."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.storage.fingerprint import ids_digest, ids_sum, merged_sums
from datasel_assets.storage.lake import Expected, Lake

KEY = ("corpus", "dolly")
SCHEMA = pa.schema([("row_id", pa.string()), ("n", pa.int64())])
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch) -> Lake:
    monkeypatch.setattr(Lake, "group_rows", 2)
    monkeypatch.setattr(Lake, "part_rows", 4)
    return Lake(tmp_path)


def rows(n: int, start: int = 0) -> pa.Table:
    return pa.table({"row_id": [f"r{i:02}" for i in range(start, start + n)], "n": range(start, start + n)}, SCHEMA)


def write(lake: Lake, *pieces: pa.Table, fingerprint: str = "f"):
    return lake.write(Expected(KEY, fingerprint, {"rows": "1"}), iter(pieces), schema=SCHEMA, meta={"fact": 1})


def test_a_table_of_at_most_a_part_is_one_file(lake: Lake):
    info = write(lake, rows(4))
    assert info.path == lake.path(KEY)
    assert (len(info.parts), info.rows, info.meta) == (1, 4, {"fact": 1})


def test_a_larger_table_reads_as_one_and_its_files_are_named_by_their_content(lake: Lake):
    info = write(lake, rows(3), rows(7, start=3))
    assert [part.rows for part in info.parts] == [4, 4, 2]
    assert info.rows == 10
    assert lake.scan(KEY).collect()["n"].to_list() == list(range(10))
    assert [n for batch in lake.read_batches(KEY, ["n"]) for n in batch.column(0).to_pylist()] == list(range(10))
    assert lake.tables() == [KEY]
    again = write(Lake(lake.root / "elsewhere"), rows(10))
    assert [part.path.name for part in again.parts] == [part.path.name for part in info.parts]
    assert again.data_version == info.data_version


def test_a_part_that_did_not_change_is_the_same_file(lake: Lake):
    before = write(lake, rows(10)).files
    after = write(lake, rows(11)).files
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_a_reader_that_opened_the_version_before_still_finds_its_parts_and_older_ones_go(lake: Lake):
    first = write(lake, rows(6, start=50)).files
    second = write(lake, rows(6, start=20)).files
    assert all(path.is_file() for path in (*first, *second))
    third = write(lake, rows(6)).files
    assert all(path.is_file() for path in (*second, *third))
    assert not any(path.exists() for path in first)


def test_a_table_that_grows_and_shrinks_leaves_nothing_of_the_other_form(lake: Lake):
    write(lake, rows(3))
    write(lake, rows(6))
    assert not lake.path(KEY).exists()
    write(lake, rows(2))
    assert sorted(path.name for path in lake.root.rglob("*")) == ["corpus", "dolly.parquet"]


def test_a_stream_that_breaks_leaves_the_table_as_it_was(lake: Lake):
    write(lake, rows(10))

    def broken():
        yield rows(9, start=100)
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        lake.write(Expected(KEY, "g"), broken(), schema=SCHEMA)
    assert lake.scan(KEY).collect()["n"].to_list() == list(range(10))
    assert not list(lake.root.rglob("*.tmp"))


def test_a_writer_that_breaks_leaves_the_parts_that_another_one_published_meanwhile(lake: Lake):
    def broken():
        yield rows(9)
        write(lake, rows(9))  # another process makes the same table, and is first
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        lake.write(Expected(KEY, "f"), broken(), schema=SCHEMA)
    assert lake.scan(KEY).collect()["n"].to_list() == list(range(9))


def test_between_the_two_publications_of_a_growing_table_the_new_one_counts(lake: Lake):
    write(lake, rows(3), fingerprint="old")
    single = lake.path(KEY).read_bytes()
    write(lake, rows(6), fingerprint="new")
    lake.path(KEY).write_bytes(single)  # as if the process had been killed before it removed the file
    assert lake.require(KEY).fingerprint == "new"
    assert lake.tables() == [KEY]


def test_deleting_a_table_in_parts_deletes_all_of_it(lake: Lake):
    write(lake, rows(9))
    lake.delete(KEY)
    assert lake.info(KEY) is None
    assert not list(lake.root.rglob("*.parquet"))


def test_a_part_also_ends_where_its_file_is_large(lake: Lake, monkeypatch):
    monkeypatch.setattr(Lake, "part_rows", 1000)
    with lake.publication(Expected(KEY, "f"), SCHEMA) as out:
        out.write([rows(10)], part_rows=1000, part_bytes=1)
        info = lake.publish(out, Expected(KEY, "f"), None, None)
    assert [part.rows for part in info.parts] == [2] * 5


@given(st.sets(HEX, max_size=30), st.integers(1, 5))
def test_the_digest_of_a_union_is_the_sum_of_the_digests_of_its_parts(ids: set[str], parts: int):
    listed = sorted(ids)
    series = [pl.Series(listed[k::parts], dtype=pl.String) for k in range(parts)]
    expected = f"{sum(int(one, 16) for one in ids) % 2**128:032x}"
    assert merged_sums(map(ids_sum, series)) == ids_sum(pl.Series(listed, dtype=pl.String)) == expected


def test_ids_that_are_no_hashes_have_a_sum_of_their_own():
    one, two = pl.Series(["a", "b"]), pl.Series(["a", "c"])
    assert ids_sum(one) != ids_sum(two)
    assert ids_sum(one) == ids_sum(one.reverse())


def test_the_digest_of_ids_is_that_of_their_lines_in_order():
    from hashlib import blake2b

    ids = ["b", "a", "ü"]
    wanted = blake2b("a\nb\nü\n".encode(), digest_size=16).hexdigest()
    assert ids_digest(ids) == ids_digest(pl.Series(ids)) == wanted
    assert ids_digest([]) == blake2b(b"", digest_size=16).hexdigest()
