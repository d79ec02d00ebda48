"""Score tables grow by rows and by columns, and compute nothing twice."""

import polars as pl
import pytest

from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.lake import Expected, Lake

KEY = ("scores", "text", "s")


class Producer:
    """Computes columns from the id alone and remembers what it was asked for."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []
        self.fail_after = fail_after

    def __call__(self, ids: list[str], names: list[str]) -> pl.DataFrame:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise RuntimeError("killed")
        self.asked.append((ids, names))
        return pl.DataFrame({"row_id": ids, **{name: [float(hash_of(i + name)) for i in ids] for name in names}})


def hash_of(text: str) -> int:
    return sum(ord(letter) * (i + 1) for i, letter in enumerate(text)) % 997


def update(lake: Lake, ids, versions, producer, **options):
    expected = Expected(KEY, columns_fingerprint(versions), {"rows": str(len(ids))})
    return update_columns(lake, expected, ids, versions, producer, **options)


def stored(lake: Lake) -> pl.DataFrame:
    return lake.scan(KEY).collect()


def test_the_first_run_computes_every_column_of_every_row(tmp_path):
    lake, producer = Lake(tmp_path), Producer()
    done = update(lake, ["b", "a", "c"], {"x": "1", "y": "1"}, producer)
    assert producer.asked == [(["a", "b", "c"], ["x", "y"])]
    assert stored(lake)["row_id"].to_list() == ["a", "b", "c"]
    assert (len(done.increment.new), done.info.rows) == (3, 3)


def test_new_rows_are_computed_alone_and_rows_that_are_gone_leave(tmp_path):
    lake, versions = Lake(tmp_path), {"x": "1", "y": "1"}
    update(lake, ["a", "b", "c"], versions, Producer())
    producer = Producer()
    done = update(lake, ["b", "c", "d"], versions, producer)
    assert producer.asked == [(["d"], ["x", "y"])]
    assert stored(lake)["row_id"].to_list() == ["b", "c", "d"]
    assert done.increment.removed == 1


def test_a_new_column_computes_only_itself(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a", "b"], {"x": "1"}, Producer())
    producer = Producer()
    update(lake, ["a", "b", "c"], {"x": "1", "y": "1"}, producer)
    assert producer.asked == [(["c"], ["x", "y"]), (["a", "b"], ["y"])]
    assert stored(lake)["y"].to_list() == [float(hash_of(i + "y")) for i in "abc"]


def test_a_column_with_another_version_is_computed_again_and_the_others_are_kept(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a", "b"], {"x": "1", "y": "1"}, Producer())
    producer = Producer()
    update(lake, ["a", "b"], {"x": "2", "y": "1"}, producer)
    assert producer.asked == [(["a", "b"], ["x"])]


def test_columns_apart_are_computed_one_after_the_other_each_for_all_rows(tmp_path):
    lake, versions = Lake(tmp_path), {"x": "1", "y": "1", "z": "1"}
    options = {"apart": ["y", "z"], "shard_rows": 2}
    with pytest.raises(RuntimeError, match="killed"):
        update(lake, ["a", "b", "c"], versions, Producer(fail_after=3), **options)
    producer = Producer()
    assert update(lake, ["a", "b", "c"], versions, producer, **options).shards_resumed == 3
    assert producer.asked == [(["c"], ["y"]), (["a", "b"], ["z"]), (["c"], ["z"])]
    producer = Producer()
    update(lake, ["a", "c", "d"], {**versions, "z": "2"}, producer, **options)
    assert producer.asked == [(["d"], ["x"]), (["d"], ["y"]), (["d"], ["z"]), (["a", "c"], ["z"])]
    expected = {"row_id": ["a", "c", "d"], **{name: [float(hash_of(i + name)) for i in "acd"] for name in "xyz"}}
    assert stored(lake).to_dict(as_series=False) == expected


def test_a_column_that_nobody_wants_any_more_leaves_and_nothing_is_computed(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a", "b"], {"x": "1", "y": "1"}, Producer())
    producer = Producer()
    update(lake, ["a", "b"], {"x": "1"}, producer)
    assert producer.asked == []
    assert stored(lake).columns == ["row_id", "x"]


def test_when_every_column_changed_nothing_is_reused(tmp_path):
    lake = Lake(tmp_path)
    update(lake, ["a", "b"], {"x": "1"}, Producer())
    producer = Producer()
    update(lake, ["a", "b"], {"x": "2"}, producer)
    assert producer.asked == [(["a", "b"], ["x"])]
    assert stored(lake).height == 2


def test_the_bytes_do_not_depend_on_the_way_that_led_to_the_table(tmp_path):
    grown, whole = Lake(tmp_path / "grown"), Lake(tmp_path / "whole")
    update(grown, ["a", "e"], {"x": "1"}, Producer())
    update(grown, ["a", "c", "e"], {"x": "1", "y": "1"}, Producer())
    update(grown, ["e", "a", "b", "c"], {"x": "2", "y": "1"}, Producer(), shard_rows=1)
    update(whole, ["a", "b", "c", "e"], {"x": "2", "y": "1"}, Producer())
    assert grown.path(KEY).read_bytes() == whole.path(KEY).read_bytes()


def test_a_killed_run_resumes_from_its_finished_blocks(tmp_path):
    lake, ids, versions = Lake(tmp_path), list("abcdef"), {"x": "1"}
    with pytest.raises(RuntimeError, match="killed"):
        update(lake, ids, versions, Producer(fail_after=2), shard_rows=2)
    assert lake.info(KEY) is None
    producer = Producer()
    done = update(lake, ids, versions, producer, shard_rows=2)
    assert producer.asked == [(["e", "f"], ["x"])]
    assert done.shards_resumed == 2
    assert stored(lake)["row_id"].to_list() == ids


def test_columns_keep_their_own_types(tmp_path):
    lake = Lake(tmp_path)
    expected = Expected(KEY, columns_fingerprint({"n": "1", "word": "1"}))

    def compute(ids, names):
        return pl.DataFrame({"row_id": ids, "word": ["w"] * len(ids), "n": [1] * len(ids)})

    update_columns(lake, expected, ["a"], {"n": "1", "word": "1"}, compute, dtypes={"word": pl.String})
    assert stored(lake).schema == {"row_id": pl.String, "n": pl.Float32, "word": pl.String}


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (pl.DataFrame({"row_id": ["a"], "x": [1.0]}), "asked for 2 rows and made 1"),
        (pl.DataFrame({"row_id": ["a", "b"], "z": [1.0, 2.0]}), "other columns than it was asked for: x, z"),
    ],
)
def test_a_producer_that_makes_something_else_replaces_nothing(tmp_path, made, complaint):
    lake = Lake(tmp_path)
    update(lake, ["a"], {"x": "1"}, Producer())
    before = lake.path(KEY).read_bytes()
    with pytest.raises(ValueError, match=complaint):
        update(lake, ["a", "b"], {"x": "2"}, lambda ids, names: made)
    assert lake.path(KEY).read_bytes() == before


def test_no_rows_give_an_empty_table_with_its_columns(tmp_path):
    lake = Lake(tmp_path)
    update(lake, [], {"x": "1"}, Producer())
    assert stored(lake).schema == {"row_id": pl.String, "x": pl.Float32}
