"""A table that is written in parts: its digest of ids, what an unfinished one leaves, what an equal part costs."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from datasel_assets.storage.fingerprint import digest, digest_of_json, ids_digest, ids_sum, merged_sums
from datasel_assets.storage.lake import Expected, Lake

KEY = ("corpus", "a")
EXPECTED = Expected(KEY, "f")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(Lake, "part_rows", 4)
    monkeypatch.setattr(Lake, "group_rows", 2)
    return Lake(tmp_path)


def rows(n: int) -> pa.Table:
    schema = pa.schema([("row_id", pa.string()), ("n", pa.int64())])
    return pa.table({"row_id": [f"{i:032x}" for i in range(n)], "n": range(n)}, schema=schema)


def test_the_digest_of_ids_is_that_of_the_set_in_one_part_and_a_sum_over_several(lake: Lake):
    small, large = (pl.Series(rows(n)["row_id"].to_pylist()) for n in (4, 11))
    assert lake.write(EXPECTED, rows(4), with_ids=True, meta={"more": 1}).meta == {"more": 1, "ids": ids_digest(small)}
    info = lake.write(EXPECTED, rows(11), with_ids=True)
    assert [part.rows for part in info.parts] == [4, 4, 3]
    assert info.meta == {"ids": ids_sum(large)} == {"ids": merged_sums(part.ids for part in info.parts)}
    assert lake.write(EXPECTED, rows(0), with_ids=True).meta == {"ids": ids_digest([])}


def test_a_stream_that_breaks_off_leaves_no_part_and_no_table(lake: Lake):
    def broken():
        yield rows(11)
        raise RuntimeError("the source ended")

    with pytest.raises(RuntimeError, match="the source ended"):
        lake.write(EXPECTED, broken(), schema=rows(0).schema)
    assert lake.tables() == []
    assert [path for path in lake.root.rglob("*") if path.is_file()] == []
    before = lake.write(EXPECTED, rows(7))
    with pytest.raises(RuntimeError, match="the source ended"):
        lake.write(EXPECTED, broken(), schema=rows(0).schema)
    assert lake.info(KEY) == before
    assert lake.scan(KEY).collect().height == 7
    assert {path.name for path in before.path.iterdir()} == {"manifest.json", *(path.name for path in before.files)}


def test_parts_that_a_killed_process_left_are_no_table(lake: Lake):
    folder = lake.write(EXPECTED, rows(7)).path
    (folder / "manifest.json").unlink()
    assert lake.tables() == []
    assert lake.info(KEY) is None
    lake.write(EXPECTED, rows(3))
    assert not folder.exists()


def test_a_part_that_is_there_already_is_not_written_over(lake: Lake):
    before = {path.name: path.stat().st_ino for path in lake.write(EXPECTED, rows(9)).files}
    after = {path.name: path.stat().st_ino for path in lake.write(EXPECTED, rows(11)).files}
    assert len(set(before.items()) & set(after.items())) == 2
    assert len(after) == 3


def test_json_in_pieces_has_the_digest_of_the_value():
    value = [3, [1, 2, 2**64 - 1]]
    assert digest_of_json(["[3,[", "1,2", ",18446744073709551615", "]]"]) == digest(value)
