"""The increment rule: exactly the new rows are computed, finished shards survive, bad output replaces nothing."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasel_assets.storage.fingerprint import ids_digest
from datasel_assets.storage.increment import resolve_increment, update_table
from datasel_assets.storage.lake import Expected, Lake

SCHEMA = pa.schema([("row_id", pa.string()), ("length", pa.int64())])
KEY = ("embeddings", "toy", "dolly")


class Producer:
    """Computes the length of an id and remembers what it was asked."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.calls = 0
        self.fail_at = fail_at

    def __call__(self, ids: list[str]) -> pa.Table:
        if self.calls == self.fail_at:
            raise RuntimeError("killed")
        self.calls += 1
        self.asked += ids
        return pa.table({"row_id": ids, "length": [len(i) for i in ids]})


def update(lake: Lake, ids: list[str], producer: Producer, fingerprint: str = "f", shard_rows: int = 3):
    expected = Expected(KEY, fingerprint, {"rows": ids_digest(ids)})
    return update_table(lake, expected, ids, producer, schema=SCHEMA, shard_rows=shard_rows)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stages=st.lists(st.sets(st.text("abc", min_size=1, max_size=4), max_size=12), min_size=1, max_size=4),
    shard_rows=st.integers(1, 5),
)
def test_after_any_history_the_table_holds_exactly_the_upstream_rows(tmp_path_factory, stages, shard_rows):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    before: set[str] = set()
    for stage in stages:
        producer = Producer()
        result = update(lake, sorted(stage), producer, shard_rows=shard_rows)
        table = lake.scan(KEY).collect()
        assert sorted(table["row_id"]) == sorted(stage)
        assert table["length"].to_list() == [len(i) for i in table["row_id"]]
        assert sorted(producer.asked) == sorted(stage - before)
        assert result.increment.removed == len(before - stage)
        assert len(result.increment.reused) == len(before & stage)
        before = stage


def test_the_data_version_says_which_rows_and_not_in_which_order_they_came(tmp_path: Path):
    one, two = Lake(tmp_path / "1"), Lake(tmp_path / "2")
    update(one, ["a", "b"], Producer())
    update(one, ["c", "a", "b"], Producer())
    update(two, ["a", "b", "c"], Producer())
    assert one.version(KEY) == two.version(KEY)


def test_another_fingerprint_recomputes_every_row(tmp_path: Path):
    lake, producer = Lake(tmp_path), Producer()
    update(lake, ["a", "b"], Producer())
    result = update(lake, ["a", "b"], producer, fingerprint="g")
    assert sorted(producer.asked) == ["a", "b"]
    assert result.increment.reason == "fingerprint changed"


def test_a_killed_step_finds_its_finished_shards_and_ends_with_the_same_bytes(tmp_path: Path):
    ids = [f"r{i}" for i in range(10)]
    quiet, disturbed = Lake(tmp_path / "quiet"), Lake(tmp_path / "disturbed")
    update(quiet, ids, Producer())
    with pytest.raises(RuntimeError, match="killed"):
        update(disturbed, ids, Producer(fail_at=2))
    again = Producer()
    result = update(disturbed, ids, again)
    assert result.shards_resumed == 2
    assert len(again.asked) == 4
    assert disturbed.path(KEY).read_bytes() == quiet.path(KEY).read_bytes()
    assert not list(disturbed.root.glob("_shards/**/*.parquet"))


def test_shards_of_another_fingerprint_are_not_taken(tmp_path: Path):
    lake, ids = Lake(tmp_path), ["a", "b", "c", "d"]
    with pytest.raises(RuntimeError, match="killed"):
        update(lake, ids, Producer(fail_at=1))
    producer = Producer()
    assert update(lake, ids, producer, fingerprint="g").shards_resumed == 0
    assert len(producer.asked) == 4


@pytest.mark.parametrize(
    ("made", "message"),
    [(["a"], "left out 1 rows, for example b"), (["a", "b", "z"], "made row z"), (["a", "a"], "made row a")],
)
def test_a_producer_that_returns_other_rows_replaces_nothing(tmp_path: Path, made: list[str], message: str):
    lake = Lake(tmp_path)
    update(lake, ["q"], Producer())
    old = lake.path(KEY).read_bytes()
    with pytest.raises(ValueError, match=message):
        update_table(
            lake,
            Expected(KEY, "f", {}),
            ["a", "b"],
            lambda ids: pa.table({"row_id": made, "length": [0] * len(made)}),
            schema=SCHEMA,
            shard_rows=10,
        )
    assert lake.path(KEY).read_bytes() == old


def test_repeated_upstream_ids_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="not unique"):
        update(Lake(tmp_path), ["a", "a"], Producer())


def test_nothing_new_means_unchanged():
    assert resolve_increment(["a", "b"], ["b", "a"], compatible=True).reason == "unchanged"
