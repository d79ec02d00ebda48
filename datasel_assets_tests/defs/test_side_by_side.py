"""Runs side by side in one process."""

import logging.config
import threading

import dagster as dg
import pytest

from datasel_assets.defs.side_by_side import leave_logging_alone, side_by_side


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


def test_as_many_go_at_once_as_may(monkeypatch):
    met = threading.Barrier(3, timeout=20)
    done = []

    def work(item: int) -> None:
        met.wait()
        done.append(item)

    side_by_side(work, range(3), 3)
    assert sorted(done) == [0, 1, 2]
