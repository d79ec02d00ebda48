"""The one life of a row table: nothing is computed twice, nothing is lost, one bad row costs one row."""

from functools import wraps
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasel_assets.storage.lake import Lake
from datasel_assets.tables import row_units
from datasel_assets.tables.making import make
from datasel_assets.tables.row_table import FAILED_SHARE
from datasel_assets.tables.row_units import TooManyFailuresError, WholeTableError
from datasel_assets_tests.tables import toy as toys
from datasel_assets_tests.tables.toy import KEY, Producer, Toy, value

V1 = {"x": "1", "y": "1"}


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture(autouse=True)
def producer(monkeypatch) -> Producer:
    return ask(monkeypatch)


def ask(monkeypatch, **options) -> Producer:
    """Start a new process, as it were, and return what it will be asked."""
    fresh = Producer(**options)
    monkeypatch.setattr(toys, "producer", fresh)
    return fresh


def right(ids, versions) -> pl.DataFrame:
    columns = {name: [value(i, name, versions[name]) for i in sorted(ids)] for name in sorted(versions)}
    return pl.DataFrame(
        {"row_id": sorted(ids), **columns}, schema={"row_id": pl.String} | dict.fromkeys(sorted(versions), pl.Float32)
    )


def test_the_first_run_computes_every_column_of_every_row(toy: Toy, producer: Producer):
    done = toy.update(["b", "a", "c"], V1)
    assert producer.asked == [(["a", "b", "c"], ["x", "y"])]
    assert toy.stored().equals(right("abc", V1))
    assert (done.rows_new, done.rows_reused, done.info.rows) == (3, 0, 3)
    assert done.metadata["increment"] == "first run"


def test_new_rows_are_computed_alone_and_rows_that_are_gone_leave(toy: Toy, monkeypatch):
    toy.update(["a", "b", "c"], V1)
    producer = ask(monkeypatch)
    done = toy.update(["b", "c", "d"], V1)
    assert producer.asked == [(["d"], ["x", "y"])]
    assert toy.stored().equals(right("bcd", V1))
    assert (done.rows_new, done.rows_reused, done.rows_removed) == (1, 2, 1)
    assert done.metadata["increment"] == "rows changed"


def test_rows_that_only_leave_change_the_table(toy: Toy, monkeypatch):
    toy.update(["a", "b", "c"], V1)
    producer = ask(monkeypatch)
    done = toy.update(["a", "b"], V1)
    assert producer.asked == []
    assert done.metadata["increment"] == "rows changed"
    assert toy.stored().equals(right("ab", V1))


def test_a_new_column_computes_only_itself(toy: Toy, monkeypatch):
    toy.update(["a", "b"], {"x": "1"})
    producer = ask(monkeypatch)
    toy.update(["a", "b", "c"], V1)
    assert producer.asked == [(["c"], ["x", "y"]), (["a", "b"], ["y"])]
    assert toy.stored().equals(right("abc", V1))


def test_a_column_with_another_version_is_computed_again_and_the_others_are_kept(toy: Toy, monkeypatch):
    toy.update(["a", "b"], V1)
    producer = ask(monkeypatch)
    toy.update(["a", "b"], {"x": "2", "y": "1"})
    assert producer.asked == [(["a", "b"], ["x"])]
    assert toy.stored().equals(right("ab", {"x": "2", "y": "1"}))


def test_columns_apart_are_computed_one_after_the_other_each_for_all_rows(toy: Toy, monkeypatch):
    versions, options = {"x": "1", "y": "1", "z": "1"}, {"apart": ["y", "z"], "unit_rows": 2}
    ask(monkeypatch, killed_after=3)
    with pytest.raises(KeyboardInterrupt):
        toy.update(["a", "b", "c"], versions, **options)
    producer = ask(monkeypatch)
    done = toy.update(["a", "b", "c"], versions, **options)
    assert done.metadata["shards_resumed"] == 3
    assert producer.asked == [(["c"], ["y"]), (["a", "b"], ["z"]), (["c"], ["z"])]
    producer = ask(monkeypatch)
    toy.update(["a", "c", "d"], {**versions, "z": "2"}, **options)
    assert producer.asked == [(["d"], ["x"]), (["d"], ["y"]), (["d"], ["z"]), (["a", "c"], ["z"])]
    assert toy.stored().equals(right("acd", {**versions, "z": "2"}))


def test_what_compute_needs_is_loaded_once_for_all_units_of_a_group(toy: Toy, producer: Producer):
    versions = {"x": str(toy.warehouse.settings.data), "y": "1", "z": "1"}
    toy.update(list("abcdef"), versions, apart=["z"], unit_rows=2)
    assert producer.loads == [{"x": versions["x"], "y": "1"}, {"z": "1"}]


def test_a_column_that_nobody_wants_any_more_leaves_and_nothing_is_computed(toy: Toy, monkeypatch):
    toy.update(["a", "b"], V1)
    producer = ask(monkeypatch)
    toy.update(["a", "b"], {"x": "1"})
    assert producer.asked == []
    assert toy.stored().columns == ["row_id", "x"]


def test_when_every_column_changed_nothing_is_reused(toy: Toy, monkeypatch):
    toy.update(["a", "b"], {"x": "1"})
    producer = ask(monkeypatch)
    done = toy.update(["a", "b"], {"x": "2"})
    assert producer.asked == [(["a", "b"], ["x"])]
    assert done.metadata["increment"] == "fingerprint changed"


def test_columns_that_come_and_go_together_bear_one_fingerprint(toy: Toy, monkeypatch):
    toy.update(["a", "b"], V1, whole="f")
    producer = ask(monkeypatch)
    toy.update(["a", "b", "c"], V1, whole="f")
    assert producer.asked == [(["c"], ["x", "y"])]
    producer = ask(monkeypatch)
    toy.update(["a", "b", "c"], V1, whole="g")
    assert producer.asked == [(["a", "b", "c"], ["x", "y"])]
    assert "columns" not in toy.lake.require(KEY).meta


def test_the_bytes_do_not_depend_on_the_way_that_led_to_the_table(tmp_path: Path):
    grown, whole = Toy(tmp_path / "grown"), Toy(tmp_path / "whole")
    grown.update(["a", "e"], {"x": "1"})
    grown.update(["a", "c", "e"], V1)
    grown.update(["e", "a", "b", "c"], {"x": "2", "y": "1"}, unit_rows=1)
    whole.update(["a", "b", "c", "e"], {"x": "2", "y": "1"})
    assert grown.bytes() == whole.bytes()


def test_the_data_version_says_which_rows_and_not_in_which_order_they_came(tmp_path: Path):
    one, two = Toy(tmp_path / "1"), Toy(tmp_path / "2")
    one.update(["a", "b"], V1)
    one.update(["c", "a", "b"], V1)
    two.update(["a", "b", "c"], V1)
    assert one.lake.version(KEY) == two.lake.version(KEY)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stages=st.lists(st.sets(st.text("abc", min_size=1, max_size=3), max_size=12), min_size=1, max_size=4),
    unit_rows=st.integers(1, 5),
    part_rows=st.sampled_from([2, 4, 1000]),
)
def test_after_any_history_the_table_holds_exactly_the_upstream_rows(
    tmp_path_factory, monkeypatch, stages, unit_rows, part_rows
):
    toy = Toy(tmp_path_factory.mktemp("toy"))
    before: set[str] = set()
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "part_rows", part_rows)
        patch.setattr(Lake, "group_rows", 2)
        for stage in stages:
            producer = ask(monkeypatch)
            done = toy.update(list(stage), V1, unit_rows=unit_rows)
            assert toy.stored().sort("row_id").equals(right(stage, V1))
            assert sorted(row for ids, _ in producer.asked for row in ids) == sorted(stage - before)
            assert (done.rows_removed, done.rows_reused) == (len(before - stage), len(before & stage))
            before = stage


def test_a_killed_run_resumes_from_its_finished_shards_and_ends_with_the_same_bytes(tmp_path: Path, monkeypatch):
    quiet, disturbed, ids = Toy(tmp_path / "quiet"), Toy(tmp_path / "disturbed"), list("abcdef")
    quiet.update(ids, V1, unit_rows=2)
    ask(monkeypatch, killed_after=2)
    with pytest.raises(KeyboardInterrupt):
        disturbed.update(ids, V1, unit_rows=2)
    assert disturbed.lake.info(KEY) is None
    producer = ask(monkeypatch)
    done = disturbed.update(ids, V1, unit_rows=2)
    assert producer.asked == [(["e", "f"], ["x", "y"])]
    assert done.metadata["shards_resumed"] == 2
    assert disturbed.bytes() == quiet.bytes()
    assert not list(disturbed.lake.root.glob("_shards/**/*.arrow"))


def test_shards_of_another_fingerprint_are_not_taken(toy: Toy, monkeypatch):
    ask(monkeypatch, killed_after=1)
    with pytest.raises(KeyboardInterrupt):
        toy.update(list("abcd"), V1, whole="f", unit_rows=2)
    producer = ask(monkeypatch)
    assert toy.update(list("abcd"), V1, whole="g", unit_rows=2).metadata["shards_resumed"] == 0
    assert len(producer.asked) == 2


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ({"row_id": ["a"], "x": [1.0]}, "left out 1 rows, for example b"),
        ({"row_id": ["a", "b", "z"], "x": [1.0, 2.0, 3.0]}, "made row z, which was not asked for"),
        ({"row_id": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]}, "made row a twice"),
        ({"row_id": ["a", "b"], "z": [1.0, 2.0]}, "other columns than it was asked for: x, z"),
    ],
)
def test_a_producer_that_makes_something_else_replaces_nothing(toy: Toy, monkeypatch, made, complaint):
    toy.update(["a"], {"x": "1"})
    before = toy.bytes()
    ask(monkeypatch, answer=lambda rows: pl.DataFrame(made))
    with pytest.raises(WholeTableError, match=complaint):
        toy.update(["a", "b"], {"x": "2"})
    assert toy.bytes() == before


def test_repeated_upstream_ids_are_refused(toy: Toy):
    with pytest.raises(ValueError, match="upstream ids of toys/dolly are not unique"):
        toy.update(["a", "a"], V1)


def test_no_rows_give_an_empty_table_with_its_columns(toy: Toy):
    toy.update([], {"x": "1"})
    assert toy.stored().schema == {"row_id": pl.String, "x": pl.Float32}


def test_columns_keep_the_types_of_the_schema(toy: Toy, monkeypatch):
    schema = pa.schema([("row_id", pa.string()), ("n", pa.int16()), ("v", pa.list_(pa.float16(), 2))])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.float16()), 2)
    ask(monkeypatch, answer=lambda rows: pa.table({"row_id": ["b", "a"], "n": [1.0, 2.0], "v": vectors}))
    toy.update(["a", "b"], {"n": "1", "v": "1"}, schema=schema)
    [path] = toy.lake.require(KEY).files
    found = pa.parquet.read_table(path)
    assert found.schema.remove_metadata() == schema
    assert found.to_pylist() == [{"row_id": "a", "n": 2, "v": [3.0, 4.0]}, {"row_id": "b", "n": 1, "v": [1.0, 2.0]}]


def test_figures_of_units_add_up_and_peaks_and_words_do_not(toy: Toy):
    toy.corpus(list("abcde"))
    table = toy.table(V1, unit_rows=2)
    seen = []
    described = toys.RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: toys.Wanted("f"),
        work=lambda step: toys.Work(toys.arrow_schema({"row_id": pl.String, "x": pl.Float32}), [], {"x": "1"}),
        compute=toys.compute,
        unit_rows=2,
        facts=lambda step, update: seen.append(update.facts) or {},
    ).table(kind=table.kind, key=("toys",), description="", group="toys")
    described.build(toys.Step(toy.warehouse, described.expect(toy.warehouse, "dolly"), "dolly", "toys", toys.LOG))
    assert seen == [{"rows": 5, "peak_rows": 2, "engine": "toy"}]


def test_a_producer_inside_another_function_is_refused_because_no_other_process_could_find_it(toy: Toy):
    def compute(rows, context):
        return rows

    with pytest.raises(ValueError, match="must stand at the top of its module"):
        toy.update(["a"], {"x": "1"}, compute=compute)


# ---------------------------------------------------------------------------------------------------- rows that fail
MANY = [f"{i:03}" for i in range(100)]


def test_a_row_that_fails_is_null_with_a_reason_and_takes_nobody_along(toy: Toy, monkeypatch):
    ask(monkeypatch, failing={"007": OverflowError("number too large"), "042": TypeError("no template")})
    done = toy.update(MANY, V1, unit_rows=64)
    stored = toy.stored()
    reasons = {"007": "OverflowError: number too large", "042": "TypeError: no template"}
    assert dict(stored.drop_nulls("failed").select("row_id", "failed").iter_rows()) == reasons
    assert stored.filter(pl.col("failed").is_not_null()).select(pl.col("x", "y").is_null().all()).row(0) == (True, True)
    assert stored.filter(pl.col("failed").is_null()).drop("failed").equals(right(set(MANY) - set(reasons), V1))
    assert done.metadata["rows_failed"] == 2
    assert done.metadata["failed"].cells == [list(item) for item in reasons.items()]


def test_a_row_that_failed_is_tried_again_with_the_next_change_and_then_nothing_says_failed(toy: Toy, monkeypatch):
    ask(monkeypatch, failing={"007": ValueError("odd")})
    toy.update(MANY, V1)
    producer = ask(monkeypatch)
    toy.update([*MANY, "100"], V1)
    assert producer.asked == [(["007", "100"], ["x", "y"])]
    assert toy.stored().equals(right([*MANY, "100"], V1))


def test_a_row_may_fail_in_one_group_of_columns_and_keep_the_others(toy: Toy, monkeypatch):
    toy.update(MANY, V1, apart=["y"])
    ask(monkeypatch, failing={"007": ValueError("odd")})
    toy.update(MANY, {"x": "1", "y": "2"}, apart=["y"])
    row = toy.stored().filter(pl.col("row_id") == "007").row(0, named=True)
    assert row == {"row_id": "007", "x": value("007", "x", "1"), "y": None, "failed": "ValueError: odd"}


def test_what_is_made_from_a_row_that_failed_fails_with_it_and_comes_right_when_it_does(toy: Toy, monkeypatch):
    ask(monkeypatch, failing={"007": ValueError("odd")})
    toy.update(MANY, V1)
    above = toy.above({"z": "1"})
    producer = ask(monkeypatch)
    make(toy.warehouse, above, "dolly")
    row = toy.lake.scan(("above", "dolly")).filter(pl.col("row_id") == "007").collect().row(0, named=True)
    assert row == {"row_id": "007", "z": None, "failed": "upstream: ValueError: odd"}
    assert "007" not in producer.asked[0][0]
    toy.update([*MANY, "100"], V1)
    assert not above.is_current(toy.warehouse, "dolly")
    producer = ask(monkeypatch)
    make(toy.warehouse, above, "dolly")
    assert producer.asked == [(["007", "100"], ["z"])]
    assert toy.lake.scan(("above", "dolly")).collect().equals(right([*MANY, "100"], {"z": "1"}))


def test_a_row_that_comes_right_alone_changes_what_is_made_from_it(toy: Toy, monkeypatch):
    ask(monkeypatch, failing={"007": ValueError("odd")})
    toy.update(MANY, V1)
    above = toy.above({"z": "1"})
    make(toy.warehouse, above, "dolly")
    ask(monkeypatch)
    toy.update(MANY, {**V1, "y": "2"})
    assert not above.is_current(toy.warehouse, "dolly")


def test_too_many_failures_fail_the_table_and_replace_nothing(toy: Toy, monkeypatch):
    toy.update(MANY, V1)
    before = toy.bytes()
    many = int(FAILED_SHARE * len(MANY)) + 1
    ask(monkeypatch, failing={row: ValueError("odd") for row in MANY[:many]})
    with pytest.raises(TooManyFailuresError, match=r"6 of 100 rows.*ValueError: odd"):
        toy.update(MANY, {"x": "2", "y": "2"})
    assert toy.bytes() == before


def test_a_table_whose_rows_were_written_by_hand_may_allow_no_failure_at_all(toy: Toy, monkeypatch):
    ask(monkeypatch, failing={"007": ValueError("odd")})
    with pytest.raises(TooManyFailuresError, match=r"1 of 100 rows.*ValueError: odd"):
        toy.update(MANY, V1, failed_share=0)
    assert toy.lake.info(KEY) is None


def test_what_was_loaded_for_another_table_is_let_go_before_the_next_is_loaded(toy: Toy, monkeypatch):
    held, load = [], toys.load

    @wraps(load)
    def watched(*args: Any, **kwargs: Any) -> Any:
        held.append(len(row_units._held))
        return load(*args, **kwargs)

    monkeypatch.setattr(toys, "load", watched)
    toy.update(["a"], {"x": f"of {toy.warehouse.settings.data}"})
    toy.update(["a"], {"x": f"of {toy.warehouse.settings.data} again"})
    assert held == [0, 0]


def test_failures_of_several_units_count_together(toy: Toy, monkeypatch):
    many = int(FAILED_SHARE * len(MANY)) + 1
    ask(monkeypatch, failing={row: ValueError("odd") for row in MANY[::10][:many]})
    with pytest.raises(TooManyFailuresError, match="6 of 100 rows of toys/dolly could not be computed"):
        toy.update(MANY, V1, unit_rows=10)
    assert toy.lake.info(KEY) is None


@pytest.mark.parametrize(
    "error", [MemoryError("none left"), FileNotFoundError("no model"), WholeTableError("all wrong")]
)
def test_what_is_wrong_for_every_row_stops_at_once(toy: Toy, monkeypatch, error):
    producer = ask(monkeypatch, failing={"007": error})
    with pytest.raises(type(error), match=str(error)):
        toy.update(MANY, V1, unit_rows=5)
    assert len(producer.asked) == 1


# ---------------------------------------------------------------------------------------------------- tables in parts
@pytest.fixture
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr(Lake, "part_rows", 4)
    monkeypatch.setattr(Lake, "group_rows", 2)


@pytest.mark.usefixtures("small_parts")
def test_part_k_of_a_table_is_made_from_part_k_of_its_upstream(toy: Toy):
    ids = list("hgfedcba")
    toy.update(ids, V1)
    upstream, own = toy.lake.require(("corpus", "dolly")), toy.lake.require(KEY)
    assert [part.rows for part in own.parts] == [4, 4]
    assert [part.made_of for part in own.parts] == [part.path.name for part in upstream.parts]
    assert [part.ids for part in own.parts] == [part.ids for part in upstream.parts]
    assert toy.stored()["row_id"].to_list() == ["e", "f", "g", "h", "a", "b", "c", "d"]


@pytest.mark.usefixtures("small_parts")
def test_appended_rows_leave_the_parts_before_them_untouched(toy: Toy, monkeypatch):
    toy.update(list("abcdef"), V1)
    first, last = toy.lake.require(KEY).files
    written = first.stat().st_mtime_ns
    producer = ask(monkeypatch)
    toy.update(list("abcdefg"), V1)
    again, changed = toy.lake.require(KEY).files
    assert (again, again.stat().st_mtime_ns) == (first, written)
    assert changed != last
    assert producer.asked == [(["g"], ["x", "y"])]
    assert toy.stored().equals(right("abcdefg", V1))


@pytest.mark.usefixtures("small_parts")
def test_rows_that_move_to_another_part_are_not_computed_again(toy: Toy, monkeypatch):
    toy.update(list("abcdefgh"), V1)
    producer = ask(monkeypatch)
    toy.update(list("zabcdefgh"), V1)
    assert producer.asked == [(["z"], ["x", "y"])]
    assert toy.stored().sort("row_id").equals(right("abcdefghz", V1))


@pytest.mark.usefixtures("small_parts")
def test_a_table_that_shrinks_is_one_file_again(toy: Toy):
    toy.update(list("abcdefgh"), V1)
    folder = toy.lake.require(KEY).path
    toy.update(list("abc"), V1)
    assert toy.lake.require(KEY).path.suffix == ".parquet"
    assert not folder.exists()
    assert toy.stored().equals(right("abc", V1))
