"""A lost worker or connection is tried again twice, what is wrong with data is not: under every executor."""

import dagster as dg
import pytest

from datasel_assets.compute import ClusterError
from datasel_assets.defs.assets import to_asset
from datasel_assets.defs.main_job import failed_steps
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.launching import retries
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers.fetch import UnreachableError
from datasel_assets.tables.row_units import WholeTableError
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets_tests.pools import small_pool


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    patient = retries.LOST_PROCESS
    monkeypatch.setattr("datasel_assets.defs.assets.LOST_PROCESS", dg.RetryPolicy(max_retries=patient.max_retries))


def attempts(error: Exception, executor: str, tmp_path, instance) -> tuple[int, dict[str, str]]:
    """Make a table whose build raises ``error``; return how often it was tried, and what is said of the failure."""
    tried = []

    def fail(step: Step) -> Built:
        tried.append(step)
        raise error

    table = Table(
        kind=Kind("toy"),
        key=("toy",),
        description="",
        group="toys",
        expect=lambda warehouse, source: Expected(("toy",), "1"),
        build=fail,
    )
    warehouse = WarehouseResource(data=str(small_pool(tmp_path / "data", n=4)))
    made = dg.materialize(
        [to_asset(table, executor=executor)],
        instance=instance,
        resources={"warehouse": warehouse},
        raise_on_error=False,
    )
    return len(tried), failed_steps(list(made.all_events))


@pytest.mark.parametrize("executor", ["in_process", "k8s"])
@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("gone"), TimeoutError("late"), ClusterError("no node"), UnreachableError("s3://x/y", "late")],
    ids=lambda error: type(error).__name__,
)
def test_what_was_lost_is_tried_again_twice(error: Exception, executor: str, tmp_path, instance):
    tried, said = attempts(error, executor, tmp_path, instance)
    assert tried == 3
    assert str(error) in said["toy"]


@pytest.mark.parametrize("executor", ["in_process", "k8s"])
@pytest.mark.parametrize(
    "error", [WholeTableError("all wrong"), FileNotFoundError("no model"), ValueError("odd")], ids=lambda e: str(e)
)
def test_what_is_wrong_with_data_fails_at_once_and_is_said_as_it_is(error: Exception, executor, tmp_path, instance):
    tried, said = attempts(error, executor, tmp_path, instance)
    assert tried == 1
    assert said["toy"].endswith(f"{type(error).__name__}: {error}")


def test_only_where_a_step_has_a_process_of_its_own_is_its_loss_seen_by_the_executor():
    kind = Kind("toy")
    table = Table(
        kind=kind, key=("toy",), description="", group="toys", expect=lambda *a: None, build=lambda step: None
    )
    policies = {name: to_asset(table, executor=name).op.retry_policy for name in ("in_process", "multiprocess", "k8s")}
    assert policies["in_process"] is None, "an interrupt would be tried again"
    assert policies["multiprocess"].max_retries == policies["k8s"].max_retries == 2
