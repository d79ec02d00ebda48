"""Dagster's own commands in the repository: the standard way in works without any variable."""

import os
import socket
import subprocess
import sys
import urllib.error
from pathlib import Path

import psutil
import pytest

from datasel_assets.settings import DAGSTER_VARIABLE, DATA_VARIABLE
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.e2e.conftest import LOADED, Product

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DAGSTER = str(Path(sys.executable).parent / "dagster")


def bare(**own: str) -> dict[str, str]:
    """The environment of a new shell, with what a test adds."""
    kept = {k: v for k, v in os.environ.items() if k not in {DATA_VARIABLE, DAGSTER_VARIABLE, "DAGSTER_HOME"}}
    return {**kept, **own}


@pytest.mark.parametrize("arguments", [(), ("-w", "workspace.yaml")])
def test_definitions_are_valid_where_no_variable_is_set(arguments: tuple[str, ...]):
    command = [DAGSTER, "definitions", "validate", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=bare(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "All code locations passed validation" in done.stdout + done.stderr


def test_dagster_dev_serves_the_history_of_the_data_folder(product: Product):
    """Only the data folder is named, so that the sensor does not set to work on that of the repository."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        product.port = free.getsockname()[1]
    log = product.log.open("wb")
    process = subprocess.Popen(
        [DAGSTER, "dev", "-p", str(product.port)],
        cwd=REPOSITORY,
        env=bare(**{DATA_VARIABLE: str(product.data), "DATASEL_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def up() -> bool:
        assert process.poll() is None, product.log.read_text()
        try:
            found = product.query(LOADED)["workspaceOrError"]["locationEntries"]
        except (OSError, urllib.error.URLError):
            return False
        return [(entry["locationOrLoadError"] or {}).get("__typename") for entry in found] == ["RepositoryLocation"]

    try:
        product.wait_for("the webserver", up, seconds=180)
        assert (product.data / "warehouse" / "_dagster" / "history" / "runs.db").is_file()
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(2)
        try:
            process.wait(timeout=60)
        finally:
            _, left = psutil.wait_procs(family, timeout=20)
            for survivor in left:
                survivor.kill()
        log.close()
