"""The second table of a score table: as many lines per row as there are, and never without the rows or behind them."""

import polars as pl
import pytest

from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.lines import Lines

ROWS, LINES = ("scores", "text", "s"), ("turn_scores", "text", "s")
TURNS = Lines(LINES, {"part": pl.String, "turn": pl.Int32}, {"left_x": "x", "right_x": "x", "left_y": "y"})
V1 = {"left_x": "1", "right_x": "1", "left_y": "1", "whole": "1"}


def lines_of(row: str) -> list[tuple[str, int]]:
    """A row has as many turns on the left as its number says, where there are several; ``c`` has some on the right."""
    right = [("right", 0), ("right", 1)] if row == "c" else []
    turns = int(row[1:] or 0)
    return [*(("left", t) for t in range(turns if turns > 1 else 0)), *right]


def value(row: str, part: str, turn: int, column: str, version: str) -> float:
    if f"{part}_{column}" not in TURNS.column:
        return float("nan")
    return int(digest([row, part, turn, column, version])[:4], 16)


class Producer:
    """Computes rows and lines from ids and versions, and remembers what it was asked for."""

    def __init__(self, versions: dict[str, str]) -> None:
        self.versions, self.asked = versions, []

    def __call__(self, ids: list[str], names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        self.asked.append((ids, names))
        rows = pl.DataFrame({"row_id": ids, **{name: [float(len(i)) for i in ids] for name in names}})
        columns = TURNS.of(names)
        keys = [(i, *line) for i in ids for line in lines_of(i)]
        version = {column: self.versions[f"left_{column}"] for column in columns}
        values = {column: [value(*key, column, version[column]) for key in keys] for column in columns}
        index = pl.DataFrame(keys, schema={"row_id": pl.String, "part": pl.String, "turn": pl.Int32}, orient="row")
        return rows, index.with_columns(**{c: pl.Series(v, dtype=pl.Float64) for c, v in values.items()})


def update(lake: Lake, ids: list[str], versions: dict[str, str], **options) -> Producer:
    producer = Producer(versions)
    expected = Expected(ROWS, columns_fingerprint(versions), {"rows": str(len(ids))})
    update_columns(lake, expected, ids, versions, producer, lines=TURNS, **options)
    return producer


def expected_lines(ids: list[str], versions: dict[str, str]) -> list[tuple]:
    keys = sorted((i, *line) for i in ids for line in lines_of(i))
    columns = TURNS.of(versions)
    return [(*key, *(value(*key, c, versions[f"left_{c}"]) for c in columns)) for key in keys]


def stored(lake: Lake) -> list[tuple]:
    return lake.scan(LINES).collect().rows()


def same(found: list[tuple], wanted: list[tuple]) -> bool:
    schema = ["row_id", "part", "turn", "x", "y"]
    frames = [pl.DataFrame(rows, schema=schema, orient="row").cast({"x": pl.Float64}) for rows in (found, wanted)]
    return frames[0].equals(frames[1])


def test_every_line_of_every_row_is_stored_and_rows_without_lines_have_none(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3", "b0", "c", "d1"], V1, shard_rows=2)
    assert same(stored(lake), expected_lines(["a3", "c"], V1))
    assert lake.scan(LINES).collect_schema() == TURNS.schema(V1)
    assert lake.require(LINES).data_version == lake.require(ROWS).data_version


def test_new_rows_bring_their_lines_and_rows_that_are_gone_take_theirs(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3", "c", "e2"], V1)
    producer = update(lake, ["c", "e2", "f4"], V1)
    assert producer.asked == [(["f4"], sorted(V1))]
    assert same(stored(lake), expected_lines(["c", "e2", "f4"], V1))


def test_a_column_with_another_version_changes_its_lines_and_no_others(tmp_path):
    lake, v2 = Lake(tmp_path), {**V1, "left_y": "2"}
    update(lake, ["a3", "c"], V1)
    producer = update(lake, ["a3", "c", "e2"], v2)
    assert producer.asked == [(["e2"], sorted(v2)), (["a3", "c"], ["left_y"])]
    assert same(stored(lake), expected_lines(["a3", "c", "e2"], v2))


def test_columns_that_share_their_lines_are_computed_together(tmp_path):
    lake, v2 = Lake(tmp_path), {**V1, "left_x": "2"}
    update(lake, ["a3", "c"], V1)
    assert update(lake, ["a3", "c"], v2).asked == [(["a3", "c"], ["left_x", "right_x"])]
    assert same(stored(lake), expected_lines(["a3", "c"], v2))


def test_a_column_without_lines_leaves_them_as_they_are(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3", "c"], V1)
    before = stored(lake)
    assert update(lake, ["a3", "c"], {**V1, "whole": "2"}).asked == [(["a3", "c"], ["whole"])]
    assert same(stored(lake), before)


def test_lost_lines_are_computed_again_with_their_rows(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3", "c"], V1)
    lake.delete(LINES)
    assert update(lake, ["a3", "c"], V1).asked == [(["a3", "c"], sorted(V1))]
    assert same(stored(lake), expected_lines(["a3", "c"], V1))


def test_lines_of_other_rows_than_the_stored_ones_are_not_trusted(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3"], V1)
    behind = lake.path(LINES).read_bytes()
    update(lake, ["a3", "c"], V1)
    lake.path(LINES).write_bytes(behind)
    assert update(lake, ["a3", "c", "e2"], V1).asked == [(["a3", "c", "e2"], sorted(V1))]
    assert same(stored(lake), expected_lines(["a3", "c", "e2"], V1))


def test_a_process_killed_between_the_two_tables_computes_nothing_twice(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    update(lake, ["a3"], V1)
    write = Lake.write

    def killed(self, expected, *args, **kwargs):
        if expected.key == ROWS:
            raise KeyboardInterrupt
        return write(self, expected, *args, **kwargs)

    monkeypatch.setattr(Lake, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        update(lake, ["a3", "c"], V1)
    monkeypatch.undo()
    assert lake.require(ROWS).rows == 1
    assert update(lake, ["a3", "c"], V1).asked == []
    assert lake.require(ROWS).rows == 2
    assert same(stored(lake), expected_lines(["a3", "c"], V1))


def test_lines_of_foreign_rows_or_columns_are_refused_and_nothing_is_replaced(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a3"], V1)
    before = stored(lake)
    good = Producer(V1)

    def foreign(ids, names):
        rows, many = good(ids, names)
        return rows, many.with_columns(row_id=pl.lit("nobody"))

    def narrow(ids, names):
        rows, many = good(ids, names)
        return rows, many.drop("x")

    expected = Expected(ROWS, columns_fingerprint(V1), {"rows": "2"})
    for broken, message in ((foreign, "not asked for: nobody"), (narrow, "other columns than it was asked for: x")):
        with pytest.raises(ValueError, match=message):
            update_columns(lake, expected, ["a3", "c"], V1, broken, lines=TURNS)
    assert same(stored(lake), before)
