"""Reading tables of scores that users bring."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.given_numbers import files_of, read_values


def test_values_are_found_by_key_in_a_csv_and_in_parts_of_parquet(tmp_path: Path):
    (tmp_path / "a.csv").write_text("\ufeffid,score\nb,2\n007,7\na,\n", encoding="utf-8")
    found = read_values("a.csv", "score", "id", tmp_path)
    assert found.of(pl.Series(["007", "x", "b", "a"])).to_list() == ["7", None, "2", None]
    for k in range(2):
        pl.DataFrame({"row_id": [f"{k}"], "score": [k / 2]}).write_parquet(tmp_path / f"part-{k}.parquet")
    found = read_values("part-*.parquet", "score", "row_id", tmp_path)
    assert found.of(pl.Series(["1", "0"])).to_list() == [0.5, 0.0]


def test_a_name_with_brackets_is_a_name_where_it_is_there(tmp_path: Path):
    folder = tmp_path / "run [1]"
    folder.mkdir()
    pl.DataFrame({"row_id": ["a"], "score": [1]}).write_parquet(folder / "s.parquet")
    pl.DataFrame({"row_id": ["a"], "score": [1]}).write_csv(folder / "s.csv")
    assert read_values("run [1]/s.parquet", "score", "row_id", tmp_path).keys.to_list() == ["a"]
    assert read_values("run [1]/s.csv", "score", "row_id", tmp_path).keys.to_list() == ["a"]


def test_the_data_folder_is_never_a_pattern_and_parts_below_it_may_be(tmp_path: Path):
    folder = tmp_path / "pool[v2]"
    folder.mkdir()
    for number, key in enumerate("ab"):
        pl.DataFrame({"row_id": [key], "score": [number]}).write_parquet(folder / f"part-{number}.parquet")
    found = read_values("part-*.parquet", "score", "row_id", folder)
    assert found.of(pl.Series(["b", "a"])).to_list() == [1, 0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("id,score\na,1\na,2\n", "'a' occurs more than once"),
        ("id,score\n,1\n", "line 1 has no 'id'"),
        ("id,points\na,1\n", "no column 'score'; it has id, points"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_says_what_is_wrong(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=complaint):
        read_values("s.csv", "score", "id", tmp_path)


def test_a_table_that_is_not_there_or_of_another_kind_is_named(tmp_path: Path):
    with pytest.raises(SourceError, match=r"s\.csv does not exist"):
        files_of("s.csv", tmp_path)
    with pytest.raises(SourceError, match=r"from \.parquet or \.csv"):
        files_of("s.xlsx", tmp_path)
