"""Steps in processes of their own: sources side by side, a killed step tried again, the same tables."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import run_main
from datasel_assets.defs.partitions import SOURCES
from datasel_assets.launching.executors import executor, executor_name, runs_at_once
from datasel_assets.launching.launch import carry_out, code_location
from datasel_assets.settings import Settings
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import add_source, rows

FIRST = [("raw_corpus",), ("corpus",)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch) -> Path:
    """Two small sources, and steps in processes of their own that find them by the environment."""
    for topic in ("fruit", "sums"):
        add_source(tmp_path / "data", topic, rows(topic, 5))
    monkeypatch.setenv("DATASEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DATASEL_DEVICE", "cpu")
    monkeypatch.setenv("DATASEL_EXECUTOR", "multiprocess")
    return tmp_path / "data"


@pytest.fixture
def kept() -> Iterator[dg.DagsterInstance]:
    """An instance that other processes find too."""
    overrides = {"concurrency": {"runs": {"max_concurrent_runs": 3}}}
    with dg.instance_for_test(overrides=overrides) as instance:
        yield instance


def test_by_default_the_steps_of_a_run_share_its_process(monkeypatch, kept: dg.DagsterInstance):
    monkeypatch.delenv("DATASEL_EXECUTOR", raising=False)
    assert executor(executor_name()) is dg.in_process_executor
    assert runs_at_once(kept) == 1


def test_an_unknown_executor_is_refused_with_those_that_there_are(monkeypatch):
    monkeypatch.setenv("DATASEL_EXECUTOR", "celery")
    with pytest.raises(ValueError, match="celery is not known: use in_process, multiprocess, ray, k8s"):
        executor_name()


@pytest.mark.parametrize(("name", "package"), [("ray", "dagster_ray"), ("k8s", "dagster_k8s")])
def test_an_executor_whose_package_is_absent_says_how_to_get_it(name: str, package: str, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.core.executor", None)
    with pytest.raises(ModuleNotFoundError, match=rf"={name} needs .* pip install '.*\[{name}-executor\]"):
        executor(name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_main_job_runs_sources_side_by_side_in_processes_of_their_own(data: Path, kept: dg.DagsterInstance):
    warehouse = Warehouse(Settings.at(data, "cpu"))
    definitions, tables = assemble(warehouse)
    assert runs_at_once(kept) == 3
    first = [table for table in tables if table.key in FIRST]
    outcome = run_main(definitions, first, lambda: Warehouse(warehouse.settings), kept)
    assert outcome.failures == []
    runs = kept.get_run_records()
    assert {record.dagster_run.tags["dagster/partition"] for record in runs} == {"fruit", "sums"}
    one, other = runs
    assert max(one.start_time, other.start_time) < min(one.end_time, other.end_time), "they overlap"
    assert {source: warehouse.lake.require(("corpus", source)).rows for source in ("fruit", "sums")} == {
        "fruit": 5,
        "sums": 5,
    }
    written = {source: warehouse.lake.require(("corpus", source)).path.read_bytes() for source in ("fruit", "sums")}
    for source, before in written.items():
        warehouse.lake.delete(("corpus", source))
        make(open_warehouse(data, "cpu"), "corpus", source)
        assert warehouse.lake.require(("corpus", source)).path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_step_whose_process_is_killed_is_tried_again(data: Path, kept: dg.DagsterInstance):
    definitions, _ = assemble(Warehouse(Settings.at(data, "cpu")))
    kept.add_dynamic_partitions(SOURCES, ["sums"])
    killed: list[int] = []

    def kill_the_first_step() -> None:
        end = time.monotonic() + 300
        while not killed and time.monotonic() < end:
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    if "spawn_main" in " ".join(child.cmdline()):
                        child.send_signal(signal.SIGKILL)
                        killed.append(child.pid)
                        break
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_first_step)
    killer.start()
    job = definitions.resolve_job_def("refresh_source")
    keys = [dg.AssetKey("raw_corpus")]
    succeeded, events = carry_out(job, kept, code_location(), source="sums", keys=keys, executor="multiprocess")
    killer.join()
    assert killed
    assert succeeded
    assert sum(event.is_step_up_for_retry for event in events) == 1
    assert open_warehouse(data).lake.info(("raw_corpus", "sums"))
