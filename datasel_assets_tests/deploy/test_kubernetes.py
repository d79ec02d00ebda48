"""Steps as Kubernetes jobs, against a stand-in API server that runs them as processes."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml

from datasel_assets.launching import k8s_executor
from datasel_assets.launching import submitted as submitting
from datasel_assets.launching.launch import code_location
from datasel_assets.launching.submitted import has_places, submitted

pytest.importorskip("dagster_k8s", reason="needs the extra deploy")
pytest.importorskip("kubernetes_validate", reason="needs the extra deploy")

from datasel_assets_tests.deploy import pods
from datasel_assets_tests.deploy.kubernetes_server import NAMESPACE, KubernetesServer

COORDINATOR = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}


def pod(waited_s: float, *, reason: str | None = None, waits_for: str | None = None, phase: str = "Pending"):
    conditions = (
        [SimpleNamespace(type="PodScheduled", status="False", reason=reason, message="no room")] if reason else []
    )
    waiting = SimpleNamespace(waiting=SimpleNamespace(reason=waits_for, message="no such image") if waits_for else None)
    resources = SimpleNamespace(limits={"nvidia.com/gpu": "1"}, requests=None)
    return SimpleNamespace(
        metadata=SimpleNamespace(creation_timestamp=NOW - timedelta(seconds=waited_s)),
        spec=SimpleNamespace(containers=[SimpleNamespace(resources=resources)]),
        status=SimpleNamespace(
            phase=phase, conditions=conditions, container_statuses=[SimpleNamespace(state=waiting, image="datasel:1")]
        ),
    )


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_pod_that_no_node_has_room_for_is_given_up_with_what_it_asks_for():
    why = k8s_executor.why_it_waits(pod(70, reason="Unschedulable"), NOW)
    assert why is not None
    assert why.startswith("has waited 70 s for a node: no room. It asks for nvidia.com/gpu: 1: add such a node")


def test_a_pod_whose_image_cannot_be_had_is_given_up():
    assert k8s_executor.why_it_waits(pod(70, waits_for="ImagePullBackOff"), NOW) == (
        "cannot start after 70 s: ImagePullBackOff: no such image"
    )


@pytest.mark.parametrize(
    "fine",
    [
        pod(30, reason="Unschedulable"),
        pod(900, phase="Running"),
        pod(900),
        pod(900, waits_for="ContainerCreating"),
    ],
    ids=["a node may be on its way", "running", "not looked at yet", "being made"],
)
def test_other_pods_are_left_alone(fine):
    assert k8s_executor.why_it_waits(fine, NOW) is None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """A running server, and an instance that launches there, as a DAGSTER_HOME."""
    folder = tmp_path_factory.mktemp("cluster")
    server = KubernetesServer(folder)
    launcher = {
        "service_account_name": "datasel",
        "instance_config_map": "none",
        "dagster_home": str(folder),
        "job_image": "datasel:1",
        "job_namespace": NAMESPACE,
        "load_incluster_config": False,
        "kubeconfig_file": str(server.kubeconfig()),
    }
    config = {"run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher}}
    (folder / "dagster.yaml").write_text(
        yaml.safe_dump({**config, "run_coordinator": COORDINATOR, "telemetry": {"enabled": False}})
    )
    before = dict(os.environ)
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        yield server
    finally:
        server.close()
        os.environ.clear()
        os.environ.update(before)


def carried_out(job: dg.JobDefinition, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[dg.DagsterEvent]]:
    monkeypatch.setattr(k8s_executor, "LOOKS_EVERY_S", 1)
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(dg.reconstructable(job), instance, raise_on_error=False)
        return result.success, result.all_events


def failure(events: list[dg.DagsterEvent]) -> str:
    (event,) = [event for event in events if event.is_step_failure]
    return str(event.step_failure_data.error.message)


@pytest.mark.slow
def test_a_step_whose_pod_is_evicted_is_tried_again_and_succeeds(cluster: KubernetesServer, monkeypatch):
    cluster.evict = 1
    succeeded, events = carried_out(pods.evicted, monkeypatch)
    assert succeeded
    assert sum(event.is_step_up_for_retry for event in events) == 1
    assert sum("in Kubernetes job" in str(event.message) for event in events) == 2
    assert cluster.problems == []
    assert {job["spec"]["backoffLimit"] for job in cluster.jobs.values()} == {0}


@pytest.mark.slow
def test_a_step_whose_pod_is_killed_fails_and_says_so(cluster: KubernetesServer, monkeypatch):
    cluster.evict = 1
    succeeded, events = carried_out(pods.killed, monkeypatch)
    assert not succeeded
    assert "Discovered failed Kubernetes job" in failure(events)


@pytest.mark.slow
def test_a_step_that_asks_for_more_than_there_is_ends_with_an_error_and_is_not_tried_again(
    cluster: KubernetesServer, monkeypatch
):
    monkeypatch.setattr(k8s_executor, "WAITS_S", 2.0)
    succeeded, events = carried_out(pods.too_large, monkeypatch)
    assert not succeeded
    assert "1 Insufficient nvidia.com/gpu" in failure(events)
    assert sum("in Kubernetes job" in str(event.message) for event in events) == 1
    assert not [job for job in cluster.jobs if "on-a-gpu" in job or cluster.jobs[job]["status"].get("active")]


@pytest.mark.slow
def test_a_submitted_run_has_a_pod_of_its_own_which_starts_those_of_its_steps(cluster: KubernetesServer, monkeypatch):
    monkeypatch.setattr(submitting, "LOOK_EVERY_S", 0.5)
    code = dg.reconstructable(pods.killed).get_python_origin().repository_origin
    with dg.DagsterInstance.get() as instance:
        assert has_places(instance)
        before = set(cluster.jobs)
        succeeded, events = submitted(pods.killed, instance, code_location(), code)
    assert succeeded, [event.message for event in events]
    started = sorted(name.split("-")[1] for name in set(cluster.jobs) - before)
    assert started == ["run", "step"]
    assert cluster.problems == []
