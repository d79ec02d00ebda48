"""The files of `deploy/` against the schemas of Kubernetes, and against each other."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from datasel_assets.launching.op_tags import op_tags
from datasel_assets_tests.conftest import REPOSITORY

pytest.importorskip("kubernetes_validate", reason="needs the extra deploy")
pytest.importorskip("dagster_k8s", reason="needs the extra deploy")

DEPLOY = REPOSITORY / "deploy"
VERSION = "1.33"


def refuse_invalid(manifest: dict[str, Any]) -> None:
    import kubernetes_validate

    kubernetes_validate.validate(manifest, VERSION, strict=True)


def pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": spec}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "values.yaml").read_text())


@pytest.fixture(scope="module")
def location(values) -> dict[str, Any]:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    return deployment


@pytest.fixture(scope="module")
def ray() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "raycluster.yaml").read_text())


def image(location: dict[str, Any]) -> str:
    return f"{location['image']['repository']}:{location['image']['tag']}"


def test_a_key_that_kubernetes_does_not_know_is_found():
    import kubernetes_validate

    with pytest.raises(kubernetes_validate.ValidationError, match="resource"):
        refuse_invalid(pod({"containers": [{"name": "a", "image": "b", "resource": {"limits": {}}}]}))


@pytest.mark.parametrize("gpu", [False, True])
def test_the_job_of_a_step_is_one_that_kubernetes_takes(gpu: bool, location):
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import (
        DagsterK8sJobConfig,
        UserDefinedDagsterK8sConfig,
        construct_dagster_k8s_job,
    )

    asked = UserDefinedDagsterK8sConfig.from_dict(op_tags(gpu=gpu)["dagster-k8s/config"])
    place = {name: location[key] for name, key in {"volumes": "volumes", "volume_mounts": "volumeMounts"}.items()}
    context = K8sContainerContext(run_k8s_config=asked).merge(
        K8sContainerContext.create_from_config({"k8s": {**place, "env": location["env"]}})
    )
    config = DagsterK8sJobConfig(dagster_home="/opt/dagster/home", instance_config_map="dagster-instance")
    config = config.with_image(image(location))
    job = construct_dagster_k8s_job(
        config, ["dagster", "api"], "tried", context.run_k8s_config, component="step_worker", pod_name="tried"
    )
    made = {"apiVersion": "batch/v1", "kind": "Job", **_camel(job.to_dict())}
    refuse_invalid(made)
    assert made["spec"]["backoffLimit"] == 0
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"].get("limits", {}) == ({"nvidia.com/gpu": "1"} if gpu else {})


def _camel(value: Any) -> Any:
    """Names as a manifest has them, without what is not set; labels and resources are no names of fields."""
    if isinstance(value, dict):
        return {
            _name(key): _camel(item) if key not in ("labels", "limits", "requests", "annotations") else item
            for key, item in value.items()
            if item is not None
        }
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _name(key: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), key)


def test_the_code_location_is_a_pod_that_kubernetes_takes(location):
    container = {"name": location["name"], "image": image(location), "args": location["dagsterApiGrpcArgs"]}
    container |= {"env": location["env"], "volumeMounts": location["volumeMounts"]}
    spec = {
        "containers": [container],
        "volumes": location["volumes"],
        "securityContext": location["podSecurityContext"],
    }
    refuse_invalid(pod(spec))


def test_every_node_of_the_ray_cluster_is_a_pod_that_kubernetes_takes(ray):
    for group in [ray["spec"]["headGroupSpec"], *ray["spec"]["workerGroupSpecs"]]:
        refuse_invalid(pod(group["template"]["spec"]))


def test_every_pod_has_the_same_image_data_and_user(values, location, ray):
    assert (
        location["podSecurityContext"]
        == values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]["securityContext"]
    )
    for group in [ray["spec"]["headGroupSpec"], *ray["spec"]["workerGroupSpecs"]]:
        spec = group["template"]["spec"]
        (container,) = spec["containers"]
        assert container["image"] == image(location)
        assert container["volumeMounts"] == location["volumeMounts"]
        assert spec["volumes"] == location["volumes"]
        assert spec["securityContext"] == location["podSecurityContext"]
        assert [e for e in container["env"] if e["name"] == "DATASEL_DATA"] == location["env"][:1]


def test_the_queue_of_the_chart_is_that_of_the_instance_for_postgres(values):
    runs = yaml.safe_load((REPOSITORY / "dagster.postgres.yaml").read_text())["concurrency"]["runs"]
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    assert values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]["backoffLimit"] == 0


def test_versions_are_those_that_the_project_is_tested_with(ray):
    pins = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if "==" in line)
    assert ray["spec"]["rayVersion"] == pins["ray"]
    assert f"--version {pins['dagster']} " in (DEPLOY / "values.yaml").read_text()


def test_the_image_is_made_from_files_and_extras_that_there_are():
    lines = (DEPLOY / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", lines, re.M) for word in line.split()[:-1]]
    assert [word for word in copied if not Path(REPOSITORY / word).exists()] == []
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (asked,) = re.findall(r"'\.\[(.+)\]'", lines)
    assert set(asked.split(",")) <= set(extras)
