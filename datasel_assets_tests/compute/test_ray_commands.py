"""The commands that the page on operation shows for a Ray cluster."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from datasel_assets.tables import open_warehouse
from datasel_assets_tests.compute.ray_cluster import ENVIRONMENT, RayCluster
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import add_source, rows
from datasel_assets_tests.test_docs import blocks

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def shown() -> list[list[str]]:
    lines = [line for block in blocks(REPOSITORY / "docs" / "operation.md", "bash") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if "ray" in line]


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def test_the_cluster_of_the_tests_is_started_as_the_page_says(cluster: RayCluster):
    head, node = (words for words in shown() if words[0] == "ray")
    assert head[:2] == node[:2] == ["ray", "start"]
    for words, started in zip((head, node), cluster.commands, strict=False):
        assert options(words) <= options(started)


def test_a_run_with_the_variable_of_the_page_has_its_units_carried_out_by_the_cluster(
    cluster: RayCluster, tmp_path: Path
):
    (command,) = (words for words in shown() if words[0].startswith("DATASEL_COMPUTE="))
    assert command[1:] == ["datasel", "run"]
    variable, _, value = command[0].partition("=")
    data = tmp_path / "data"
    add_source(data, "sums", rows("sums", 8), licence="CC0-1.0")
    environment = {**os.environ, **ENVIRONMENT, variable: f"{value.partition(':')[0]}:{cluster.address}"}
    line = [sys.executable, "-m", "datasel_assets", "--data", str(data), "run"]
    done = subprocess.run(line, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert open_warehouse(data).lake.require(("scores", "text", "sums")).rows == 8


def test_a_cluster_that_does_not_answer_is_told_at_once_with_what_to_do():
    code = (
        "from datasel_assets.compute import RayMapper\nprint(RayMapper('127.0.0.1:9').device('auto', runs_model=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert "ClusterError: no Ray cluster answers at 127.0.0.1:9: start one with 'ray start --head'" in done.stderr
