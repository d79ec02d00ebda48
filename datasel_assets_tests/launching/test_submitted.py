"""Runs that the launcher of the instance finds a place for."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from datasel_assets.defs.main_job import failed_steps
from datasel_assets.launching import submitted as submitting
from datasel_assets.launching.executors import runs_at_once
from datasel_assets.launching.launch import code_location
from datasel_assets.launching.submitted import has_places, submitted
from datasel_assets_tests.launching.launchers import fails, succeeds

LAUNCHER = {"module": "datasel_assets_tests.launching.launchers", "class": "Threads"}
COORDINATOR = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    overrides = {"run_launcher": LAUNCHER, "run_coordinator": COORDINATOR}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        yield instance


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "LOOK_EVERY_S", 0.1)


def code(job: dg.JobDefinition):
    return dg.reconstructable(job).get_python_origin().repository_origin


def test_a_submitted_run_is_waited_for_and_says_what_it_did(instance):
    succeeded, events = submitted(succeeds, instance, code_location(), code(succeeds), tags={"why": "tried"})
    assert has_places(instance)
    assert succeeded
    assert sum(event.is_step_success for event in events) == 1
    (run,) = instance.get_runs()
    assert instance.run_launcher.launched == [run.run_id]
    assert run.tags["why"] == "tried"
    assert run.remote_job_origin.job_name == "succeeds"


def test_a_submitted_run_that_fails_names_the_step_and_the_cause(instance):
    succeeded, events = submitted(fails, instance, code_location(), code(fails))
    assert not succeeded
    assert failed_steps(events) == {"second": "ValueError: 1 is not enough"}


def test_an_interrupt_cancels_what_was_submitted(instance, monkeypatch):
    instance.run_launcher.holds = True
    monkeypatch.setattr(submitting.time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        submitted(succeeds, instance, code_location(), code(succeeds))
    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.CANCELED


def test_submitted_runs_go_side_by_side_whatever_carries_out_their_steps(monkeypatch, tmp_path: Path):
    monkeypatch.delenv("DATASEL_EXECUTOR", raising=False)
    limits = {"concurrency": {"runs": {"max_concurrent_runs": 5}}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=limits) as plain:
        assert not has_places(plain)
        assert (runs_at_once(plain), runs_at_once(plain, submitted=True)) == (1, 5)
