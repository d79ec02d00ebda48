"""The lake: what is published is whole, says what it was made from, and refuses readers who expect something else."""

import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.storage.atomic import StorageFullError, atomic_path, write_text
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Lake, MissingTableError, StaleTableError

EXPECTED = Expected(("scores", "text", "dolly"), "f1", {"corpus": "v1"})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def frame(n: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"row_id": [f"r{i:05}" for i in range(n)], "value": list(range(n))})


def test_a_table_comes_back_with_its_footer(lake: Lake):
    lake.write(EXPECTED, frame(), data_version="v7", meta={"layers": [1, 2]})
    info = lake.info(EXPECTED.key)
    assert info is not None
    assert (info.rows, info.fingerprint, info.data_version) == (3, "f1", "v7")
    assert info.inputs == {"corpus": "v1"}
    assert info.meta == {"layers": [1, 2]}
    assert lake.scan(EXPECTED.key, "f1").collect().equals(frame())


def test_a_table_is_current_only_for_the_same_code_and_the_same_inputs(lake: Lake):
    assert not lake.is_current(EXPECTED)
    lake.write(EXPECTED, frame())
    assert lake.is_current(EXPECTED)
    assert not lake.is_current(Expected(EXPECTED.key, "f2", EXPECTED.inputs))
    assert not lake.is_current(Expected(EXPECTED.key, "f1", {"corpus": "v2"}))


def test_a_reader_with_another_fingerprint_is_refused_and_told_what_to_run(lake: Lake):
    lake.write(EXPECTED, frame())
    with pytest.raises(StaleTableError, match=r"scores/text/dolly has fingerprint f1, but f2.*materialise"):
        lake.scan(EXPECTED.key, "f2")


def test_a_missing_table_says_that_it_was_never_made(lake: Lake):
    with pytest.raises(MissingTableError, match="clusters/none does not exist yet"):
        lake.scan(("clusters", "none"))


@pytest.mark.parametrize("part", ["..", "a/b", "", ".", "a\\b", "a\0b"])
def test_a_key_cannot_leave_the_warehouse(lake: Lake, part: str):
    with pytest.raises(ValueError, match="plain names"):
        lake.path(("corpus", part))


def test_bytes_do_not_depend_on_how_a_stream_was_cut(lake: Lake):
    table = frame(20_000).to_arrow(compat_level=pl.CompatLevel.oldest())
    first = lake.write(EXPECTED, table).path.read_bytes()
    pieces = [table.slice(start, 777) for start in range(0, 20_000, 777)]
    assert lake.write(EXPECTED, pieces, schema=table.schema).path.read_bytes() == first


def test_a_failing_producer_leaves_the_old_table_and_no_temporary_file(lake: Lake):
    lake.write(EXPECTED, frame())
    old = lake.path(EXPECTED.key).read_bytes()

    def broken():
        yield frame(5).to_arrow(compat_level=pl.CompatLevel.oldest())
        raise RuntimeError("producer died")

    with pytest.raises(RuntimeError, match="producer died"):
        lake.write(EXPECTED, broken(), schema=pq.read_schema(lake.path(EXPECTED.key)))
    assert lake.path(EXPECTED.key).read_bytes() == old
    assert [p.name for p in lake.path(EXPECTED.key).parent.iterdir()] == ["dolly.parquet"]


def test_arrays_come_back_exactly_and_without_pickle(lake: Lake):
    arrays = {"mean": np.arange(3, dtype=np.float64) / 7, "m2": np.eye(3)}
    expected = Expected(("representation_basis", "w"), "f", {})
    lake.write_arrays(expected, arrays, meta={"n": 9})
    found = lake.read_arrays(expected.key, "f")
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    info = lake.info(expected.key)
    assert info is not None
    assert info.meta == {"n": 9}
    assert lake.tables() == [("representation_basis", "w")]


def test_a_file_that_somebody_else_wrote_is_not_taken_for_a_table(lake: Lake):
    path = lake.path(("corpus", "alien"))
    path.parent.mkdir(parents=True)
    frame().write_parquet(path)
    with pytest.raises(StaleTableError, match="not written by this project"):
        lake.info(("corpus", "alien"))


def test_the_run_log_survives_a_torn_last_line(lake: Lake):
    lake.log_run(stage="corpus", seconds=1.5)
    with (lake.root / "runs.jsonl").open("a") as handle:
        handle.write('{"stage": "corp')
    assert [run["stage"] for run in lake.runs()] == ["corpus"]


def test_leftovers_of_dead_processes_are_swept_and_those_of_the_living_are_kept(tmp_path: Path):
    target = tmp_path / "a [x].txt"
    dead = subprocess.Popen(["true"])
    dead.wait()
    here = socket.gethostname()
    stale, live = tmp_path / f".a [x].txt.{here}-{dead.pid}-1.tmp", tmp_path / f".a [x].txt.{here}-{os.getpid()}-1.tmp"
    elsewhere, forgotten = (tmp_path / f".a [x].txt.other-host-{dead.pid}-{n}.tmp" for n in (1, 2))
    for path in (stale, live, elsewhere, forgotten):
        path.touch()
    os.utime(forgotten, (0, 0))
    write_text(target, "new")
    assert not stale.exists()
    assert not forgotten.exists()
    assert elsewhere.exists(), "its process may live on its own host"
    assert live.exists()


def test_ids_digest_ignores_order_and_digest_ignores_key_order():
    assert ids_digest(["b", "a"]) == ids_digest(["a", "b"]) != ids_digest(["a"])
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


@pytest.fixture
def small_disk(tmp_path: Path):
    """A real 1 MiB file system."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_gives_one_clear_error_and_keeps_the_old_table(small_disk: Path):
    lake = Lake(small_disk)
    lake.write(EXPECTED, frame(10))
    old = lake.path(EXPECTED.key).read_bytes()
    noise = np.random.default_rng(0).bytes(3_000_000).hex()
    big = pa.table(
        {"row_id": [str(i) for i in range(100)], "text": [noise[i * 60_000 : (i + 1) * 60_000] for i in range(100)]}
    )
    with pytest.raises(
        StorageFullError, match=r"no space left while writing .*dolly\.parquet.*previous version is intact"
    ):
        lake.write(EXPECTED, big)
    assert lake.path(EXPECTED.key).read_bytes() == old
    with pytest.raises(StorageFullError), atomic_path(small_disk / "x") as temporary:
        temporary.write_bytes(b"0" * 3_000_000)
    assert not list(small_disk.glob(".*tmp"))
