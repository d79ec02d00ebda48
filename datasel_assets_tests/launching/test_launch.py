"""Runs that are carried out in this process stand under the jobs of the code location, however they end."""

import logging.config

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from datasel_assets.defs.main_job import failed_steps
from datasel_assets.launching.dead_runs import PROCESS_TAG
from datasel_assets.launching.launch import carry_out, code_location, leave_logging_alone
from datasel_assets.storage.processes import this_process


def job_of(step) -> dg.JobDefinition:
    @dg.op(name="step")
    def run_step() -> None:
        step()

    @dg.job(name="main", tags={"datasel/owner": "main"})
    def main() -> None:
        run_step()

    return main


def test_a_run_says_from_which_code_location_its_job_is_and_which_process_executes_it(instance):
    succeeded, _ = carry_out(job_of(lambda: None), instance, code_location())
    (run,) = instance.get_runs()
    assert succeeded
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@datasel_assets.definitions"
    assert run.remote_job_origin.job_name == run.job_name == "main"
    assert run.tags["dagster/code_location"] == "datasel_assets.definitions"
    assert run.tags["datasel/owner"] == "main"
    assert run.tags[PROCESS_TAG] == this_process()
    by_label = dg.RunsFilter(job_name="main", tags={".dagster/repository": "__repository__@datasel_assets.definitions"})
    assert [found.run_id for found in instance.get_runs(by_label)] == [run.run_id]


def test_a_run_whose_steps_have_places_of_their_own_says_how_its_job_is_loaded_there(instance, monkeypatch):
    monkeypatch.setattr("datasel_assets.launching.launch.execute_run_iterator", lambda *args: iter(()))
    for executor in ("in_process", "k8s"):
        carry_out(job_of(lambda: None), instance, code_location(), executor=executor)
    elsewhere, here = (run.job_code_origin for run in instance.get_runs())
    assert here is None
    assert (elsewhere.job_name, elsewhere.repository_origin.code_pointer.module) == (
        "main",
        "datasel_assets.definitions",
    )


def test_a_failed_run_is_told_and_is_not_started_again_by_the_daemon(instance):
    def fail() -> None:
        raise ValueError("no")

    succeeded, events = carry_out(job_of(fail), instance, code_location())
    (run,) = instance.get_runs()
    assert not succeeded
    assert any(event.is_step_failure for event in events)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert run.tags["dagster/max_retries"] == "0"


def test_a_run_that_is_interrupted_before_its_first_step_does_not_stay_open(instance, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasel_assets.launching.launch.execute_run_iterator", interrupted)
    with pytest.raises(KeyboardInterrupt):
        carry_out(job_of(lambda: None), instance, code_location())
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


def test_an_interrupt_within_a_run_that_a_run_makes_reaches_who_asked_for_it(instance):
    def interrupted() -> None:
        raise DagsterExecutionInterruptedError

    def within() -> None:
        failed_steps(carry_out(job_of(interrupted), instance, code_location())[1])

    _, events = carry_out(job_of(within), instance, code_location())
    with pytest.raises(KeyboardInterrupt):
        failed_steps(events)


def test_runs_that_start_beside_others_do_not_set_up_logging_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(logging.config, "dictConfig", lambda config: pytest.fail("logging was set up anew"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        leave_logging_alone(instance)
        assert [type(handler).__name__ for handler in instance.get_handlers()] == ["_EventListenerLogHandler"]


def test_settings_for_logging_count_all_the_same(tmp_path):
    console = {"class": "logging.StreamHandler", "level": "ERROR"}
    overrides = {"python_logs": {"dagster_handler_config": {"handlers": {"mine": console}}}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        leave_logging_alone(instance)
        with pytest.warns(dg.BetaWarning):
            assert len(instance.get_handlers()) == 2
