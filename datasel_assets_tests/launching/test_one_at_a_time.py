"""One main job at a time, also where no queue sees to it."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from datasel_assets.launching import one_at_a_time
from datasel_assets.launching.dead_runs import PROCESS_TAG
from datasel_assets.launching.one_at_a_time import wait_for_turn
from datasel_assets.storage.processes import this_process


@dg.job(name="main")
def main() -> None:
    """Do nothing."""


def started(instance: dg.DagsterInstance, process: str | None) -> str:
    tags = {PROCESS_TAG: process} if process else {}
    return instance.create_run_for_job(main, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id


def test_a_later_run_waits_for_an_earlier_one_says_so_once_and_goes_on_when_that_is_over(instance, monkeypatch):
    first = started(instance, this_process())
    second = started(instance, this_process())
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            instance.report_run_failed(instance.get_run_by_id(first))

    monkeypatch.setattr(one_at_a_time.time, "sleep", sleep)
    said: list[str] = []
    wait_for_turn(instance, first, said.append)
    assert looks == [], "the first one waits for nobody"
    wait_for_turn(instance, second, said.append)
    assert len(looks) == 3
    assert said == [f"waits for run {first[:8]}, which brings the same data folder up to date"]


@pytest.mark.parametrize(("age_s", "waits"), [(0, True), (3600, False)])
def test_a_run_that_never_said_which_process_it_is_is_waited_for_only_while_it_may_be_starting(
    instance, monkeypatch, age_s: int, waits: bool
):
    started(instance, None)
    second = started(instance, this_process())
    later = datetime.now(UTC) + timedelta(seconds=age_s)
    monkeypatch.setattr(one_at_a_time.time, "time", later.timestamp)
    monkeypatch.setattr(one_at_a_time.time, "sleep", lambda seconds: pytest.exit("waits") if not waits else _stop())
    if waits:
        with pytest.raises(InterruptedError):
            wait_for_turn(instance, second, lambda said: None)
    else:
        wait_for_turn(instance, second, lambda said: None)


def _stop() -> None:
    raise InterruptedError


def test_a_run_whose_process_is_gone_is_not_waited_for(instance):
    started(instance, f"{this_process().split('/')[0]}/999999999/1")
    wait_for_turn(instance, started(instance, this_process()), pytest.fail)
