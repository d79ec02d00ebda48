"""The run history in Postgres: a real server, as `make postgres` starts it."""

import os
import runpy
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import dagster as dg
import pytest
import yaml

from datasel_assets_tests.conftest import REPOSITORY

SCRIPT = runpy.run_path(str(REPOSITORY / "deploy" / "dev_postgres.py"))

AT_ONCE = 8
STEPS = 4


def test_only_where_runs_are_kept_and_how_many_go_at_once_differs_from_the_file_for_sqlite():
    plain, postgres = (yaml.safe_load((REPOSITORY / f"dagster{of}.yaml").read_text()) for of in ("", ".postgres"))
    assert postgres.pop("storage") != plain.pop("storage")
    assert postgres["concurrency"]["runs"].pop("max_concurrent_runs") >= 2 * AT_ONCE
    assert plain["concurrency"]["runs"].pop("max_concurrent_runs") == 4
    assert postgres == plain


def test_a_machine_without_postgres_is_told_what_to_install(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(SCRIPT["program"].__globals__, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SCRIPT["PostgresError"], match=r"initdb is not installed: .* apt-get install postgresql"):
        SCRIPT["start"](tmp_path / "server", 1)


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A running server in a folder of its own, which its owner can reach; the folder is a DAGSTER_HOME."""
    pytest.importorskip("dagster_postgres", reason="needs the extra postgres")
    try:
        SCRIPT["program"]("initdb")
    except SCRIPT["PostgresError"] as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    try:
        os.environ.update(SCRIPT["start"](folder, port))
        os.environ.update({"DAGSTER_HOME": str(folder), "DATASEL_DAGSTER_DIR": str(folder / "logs")})
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)
        if (folder / "data" / "postmaster.pid").is_file():
            SCRIPT["stop"](folder)
        shutil.rmtree(folder)


@dg.op(out=dg.DynamicOut())
def steps():
    for i in range(STEPS):
        yield dg.DynamicOutput(i, mapping_key=str(i))


@dg.op
def step(context: dg.OpExecutionContext, i: int) -> None:
    context.log_event(dg.AssetMaterialization("made", metadata={"step": i}, partition=context.run.tags["number"]))


@dg.job(executor_def=dg.in_process_executor)
def several() -> None:
    steps().map(step)


def carry_out(number: int) -> str:
    with dg.DagsterInstance.get() as instance:
        return several.execute_in_process(instance=instance, tags={"number": str(number)}).run_id


@pytest.mark.slow
def test_eight_runs_at_once_are_all_kept_with_all_their_events(server: Path):
    with dg.DagsterInstance.get() as instance:
        kinds = [instance.run_storage, instance.event_log_storage, instance.schedule_storage]
        assert [type(kind).__module__.split(".")[0] for kind in kinds] == ["dagster_postgres"] * 3
    # Processes, as runs are; copies of this one, which need not load Dagster again.
    with ProcessPoolExecutor(AT_ONCE, get_context("fork")) as pool:
        ids = list(pool.map(carry_out, range(AT_ONCE)))
    with dg.DagsterInstance.get() as instance:
        kept = {run.run_id: run for run in instance.get_runs()}
        assert set(kept) == set(ids)
        assert {run.status for run in kept.values()} == {dg.DagsterRunStatus.SUCCESS}
        for run in ids:
            types = [entry.dagster_event_type for entry in instance.all_logs(run) if entry.dagster_event]
            assert types.count(dg.DagsterEventType.STEP_SUCCESS) == 1 + STEPS
        assert instance.get_materialized_partitions(dg.AssetKey("made")) == {str(n) for n in range(AT_ONCE)}


@pytest.mark.slow
def test_partitions_and_schedules_are_found_by_the_next_process(server: Path):
    from dagster._core.remote_origin import RemoteInstigatorOrigin
    from dagster._core.scheduler.instigation import (
        InstigatorState,
        InstigatorStatus,
        InstigatorType,
        ScheduleInstigatorData,
    )

    from datasel_assets.launching.launch import code_location

    origin = RemoteInstigatorOrigin(code_location(), "daily_refresh")
    data = ScheduleInstigatorData("0 3 * * *", start_timestamp=0.0)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("source", ["sums", "fruit"])
        instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data))
    with dg.DagsterInstance.get() as instance:
        assert set(instance.get_dynamic_partitions("source")) == {"sums", "fruit"}
        (state,) = instance.all_instigator_state()
        assert (state.name, state.status) == ("daily_refresh", InstigatorStatus.RUNNING)
