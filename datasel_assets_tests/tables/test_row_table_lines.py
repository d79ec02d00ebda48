"""The second table of a row table: as many lines per row as there are, and never without the rows or behind them."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Lake
from datasel_assets.storage.lines import Lines
from datasel_assets_tests.tables import toy as toys
from datasel_assets_tests.tables.toy import KEY, SOURCE, Producer, Toy

LINES = ("toy_lines", SOURCE)
TURNS = Lines(LINES[:1], {"part": pl.String, "turn": pl.Int32}, {"left_x": "x", "right_x": "x", "left_y": "y"})
V1 = {"left_x": "1", "right_x": "1", "left_y": "1", "whole": "1"}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture(autouse=True)
def producer(monkeypatch) -> Producer:
    fresh = Producer()
    monkeypatch.setattr(toys, "producer", fresh)
    return fresh


def lines_of(row: str) -> list[tuple[str, int]]:
    """A row has as many turns on the left as its number says, where there are several; ``c`` has some on the right."""
    right = [("right", 0), ("right", 1)] if row == "c" else []
    turns = int(row[1:] or 0)
    return [*(("left", t) for t in range(turns if turns > 1 else 0)), *right]


def value(row: str, part: str, turn: int, column: str, version: str) -> float:
    if f"{part}_{column}" not in TURNS.column:
        return float("nan")
    return int(digest([row, part, turn, column, version])[:4], 16)


def compute(rows: pl.DataFrame, context) -> tuple[pl.DataFrame, pl.DataFrame]:
    ids, names = rows["row_id"].to_list(), list(context.columns)
    found = toys.compute(rows, context)
    columns = TURNS.of(names)
    keys = [(i, *line) for i in ids for line in lines_of(i)]
    values = {c: [value(*key, c, context.arguments[f"left_{c}"]) for key in keys] for c in columns}
    index = pl.DataFrame(keys, schema={"row_id": pl.String, "part": pl.String, "turn": pl.Int32}, orient="row")
    return found, index.with_columns(**{c: pl.Series(v, dtype=pl.Float64) for c, v in values.items()})


def foreign(rows, context):
    found, many = compute(rows, context)
    return found, many.with_columns(row_id=pl.lit("nobody"))


def narrow(rows, context):
    found, many = compute(rows, context)
    return found, many.drop("x")


def update(toy: Toy, ids: list[str], versions: dict[str, str], compute=compute, **options) -> list:
    before = len(toys.producer.asked)
    toy.update(ids, versions, lines=TURNS, compute=compute, **options)
    return toys.producer.asked[before:]


def right(ids: list[str], versions: dict[str, str]) -> list[tuple]:
    keys = sorted((i, *line) for i in ids for line in lines_of(i))
    columns = TURNS.of(versions)
    return [(*key, *(value(*key, c, versions[f"left_{c}"]) for c in columns)) for key in keys]


def stored(toy: Toy) -> list[tuple]:
    return toy.lake.scan(LINES).collect().rows()


def same(found: list[tuple], wanted: list[tuple]) -> bool:
    schema = ["row_id", "part", "turn", "x", "y"]
    frames = [pl.DataFrame(rows, schema=schema, orient="row").cast({"x": pl.Float64}) for rows in (found, wanted)]
    return frames[0].equals(frames[1])


def test_every_line_of_every_row_is_stored_and_rows_without_lines_have_none(toy: Toy):
    update(toy, ["a3", "b0", "c", "d1"], V1, unit_rows=2)
    assert same(stored(toy), right(["a3", "c"], V1))
    assert toy.lake.scan(LINES).collect_schema() == TURNS.schema(V1)
    assert toy.lake.require(LINES).data_version == toy.lake.require(KEY).data_version


def test_new_rows_bring_their_lines_and_rows_that_are_gone_take_theirs(toy: Toy):
    update(toy, ["a3", "c", "e2"], V1)
    assert update(toy, ["c", "e2", "f4"], V1) == [(["f4"], sorted(V1))]
    assert same(stored(toy), right(["c", "e2", "f4"], V1))


def test_a_column_with_another_version_changes_its_lines_and_no_others(toy: Toy):
    v2 = {**V1, "left_y": "2"}
    update(toy, ["a3", "c"], V1)
    assert update(toy, ["a3", "c", "e2"], v2) == [(["e2"], sorted(v2)), (["a3", "c"], ["left_y"])]
    assert same(stored(toy), right(["a3", "c", "e2"], v2))


def test_columns_that_share_their_lines_are_computed_together(toy: Toy):
    v2 = {**V1, "left_x": "2"}
    update(toy, ["a3", "c"], V1)
    assert update(toy, ["a3", "c"], v2) == [(["a3", "c"], ["left_x", "right_x"])]
    assert same(stored(toy), right(["a3", "c"], v2))


def test_a_column_without_lines_leaves_them_as_they_are(toy: Toy):
    update(toy, ["a3", "c"], V1)
    before = stored(toy)
    assert update(toy, ["a3", "c"], {**V1, "whole": "2"}) == [(["a3", "c"], ["whole"])]
    assert same(stored(toy), before)


def test_a_table_without_its_lines_is_not_current_and_both_are_computed_again(toy: Toy):
    update(toy, ["a3", "c"], V1)
    table = toy.table(V1, lines=TURNS, compute=compute)
    assert table.is_current(toy.warehouse, SOURCE)
    toy.lake.delete(LINES)
    assert not table.is_current(toy.warehouse, SOURCE)
    assert update(toy, ["a3", "c"], V1) == [(["a3", "c"], sorted(V1))]
    assert same(stored(toy), right(["a3", "c"], V1))


def test_lines_of_other_rows_than_the_stored_ones_are_not_trusted(toy: Toy):
    update(toy, ["a3"], V1)
    behind = toy.lake.path(LINES).read_bytes()
    update(toy, ["a3", "c"], V1)
    toy.lake.path(LINES).write_bytes(behind)
    assert update(toy, ["a3", "c", "e2"], V1) == [(["a3", "c", "e2"], sorted(V1))]
    assert same(stored(toy), right(["a3", "c", "e2"], V1))


def test_a_process_killed_between_the_two_tables_computes_nothing_twice(toy: Toy, monkeypatch):
    update(toy, ["a3"], V1)
    publish = Lake.publish

    def killed(self, out, expected, *args, **kwargs):
        if expected.key == KEY:
            raise KeyboardInterrupt
        return publish(self, out, expected, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            update(toy, ["a3", "c"], V1)
    assert toy.lake.require(KEY).rows == 1
    assert update(toy, ["a3", "c"], V1) == []
    assert toy.lake.require(KEY).rows == 2
    assert same(stored(toy), right(["a3", "c"], V1))


@pytest.mark.parametrize(
    ("broken", "message"), [(foreign, "not asked for: nobody"), (narrow, "other columns than it was asked for: x")]
)
def test_lines_of_foreign_rows_or_columns_are_refused_and_nothing_is_replaced(toy: Toy, broken, message):
    update(toy, ["a3"], V1)
    before = stored(toy)
    with pytest.raises(ValueError, match=message):
        update(toy, ["a3", "c"], V1, compute=broken)
    assert same(stored(toy), before)


def test_a_row_that_failed_has_no_lines(toy: Toy, monkeypatch):
    ids = ["c", *(f"a{i}" for i in range(2, 9))]
    monkeypatch.setattr(toys, "producer", Producer(failing={"a5": ValueError("odd")}))
    update(toy, ids, V1)
    assert toy.stored().drop_nulls("failed")["row_id"].to_list() == ["a5"]
    assert same(stored(toy), right([i for i in ids if i != "a5"], V1))


def test_lines_follow_the_parts_of_their_rows(toy: Toy, monkeypatch):
    monkeypatch.setattr(Lake, "part_rows", 2)
    monkeypatch.setattr(Lake, "group_rows", 2)
    ids = ["a3", "b0", "c", "d2", "e4"]
    update(toy, ids, V1, unit_rows=1)
    update(toy, [*ids, "f2"], {**V1, "left_y": "2"})
    assert len(toy.lake.require(LINES).parts) == len(toy.lake.require(KEY).parts) == 3
    found = sorted(stored(toy), key=lambda row: row[:3])
    assert same(found, right([*ids, "f2"], {**V1, "left_y": "2"}))
