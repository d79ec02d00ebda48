"""Batches that wait on disk come back as they were, and nothing of them stays."""

from pathlib import Path

import pyarrow as pa

from datasel_assets.storage.spool import spool

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string())])


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(numbers, pa.int64()), pa.array(["x" * n for n in numbers], pa.string())], SCHEMA)


def test_batches_come_back_in_order_and_leave_no_file(tmp_path: Path):
    folder = tmp_path / "warehouse"
    with spool(folder, SCHEMA) as waiting:
        for some in (batch(1, 2), batch(), batch(3)):
            waiting.add(some)
        assert list(folder.iterdir()) == []
        assert pa.Table.from_batches(waiting.batches(), SCHEMA)["n"].to_pylist() == [1, 2, 3]
    assert list(folder.iterdir()) == []


def test_without_a_batch_there_is_none(tmp_path: Path):
    with spool(tmp_path, SCHEMA) as waiting:
        assert list(waiting.batches()) == []
