"""Real processes: the command line, the webserver with its daemon, and Chromium."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import small_pool

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


LOADED = """
{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }
"""


class Product:
    """The installed product over one data folder, driven as a user drives it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = 0

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "DATASEL_DATA": str(self.data),
            "DATASEL_DAGSTER_DIR": str(self.data / "warehouse" / "_dagster"),
            "DAGSTER_HOME": str(REPOSITORY),
            "DATASEL_DEVICE": "cpu",
            "HF_HUB_OFFLINE": "1",
        }
        return {**os.environ, **own}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "datasel_assets", *arguments]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*(arguments or ("run",))),
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=check,
            timeout=300,
        )

    @property
    def log(self) -> Path:
        """What started processes print; a pipe that nobody reads would fill up and stop them."""
        return self.data.parent / "output.log"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(*arguments),
                env=self.environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests may run in the background
            )

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver's GraphQL."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = json.load(answer)
        assert "errors" not in body, body["errors"]
        return body["data"]

    def wait_for(self, what: str, condition, seconds: float = 120) -> Any:
        """Poll ``condition`` until it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds} s for {what}")


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(small_pool(tmp_path / "data", n=25))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A small pool after its first run, whose output is in ``log``; copy the folder to change it."""
    product = Product(small_pool(tmp_path_factory.mktemp("finished") / "data", n=25))
    product.log.write_text(product.run().stdout)
    return product


@pytest.fixture
def settled(finished: Product, tmp_path: Path) -> Product:
    """A copy of the finished pool in another place, with its run history."""
    shutil.copytree(finished.data, tmp_path / "data")
    return Product(tmp_path / "data")


@contextmanager
def serve(product: Product) -> Iterator[Product]:
    """Run the UI and the daemon; stopping it must leave no process behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        product.port = free.getsockname()[1]
    process = product.start("ui", "--port", str(product.port))

    def up() -> bool:
        assert process.poll() is None, product.log.read_text()
        try:
            found = product.query(LOADED)["workspaceOrError"]["locationEntries"]
        except OSError:
            return False
        return [(entry["locationOrLoadError"] or {}).get("__typename") for entry in found] == ["RepositoryLocation"]

    try:
        product.wait_for("the webserver", up, seconds=180)
        yield product
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=90) == 0
        finally:
            _, left = psutil.wait_procs(family, timeout=10)
            for survivor in left:
                survivor.kill()
        assert not left, f"still running after the UI was stopped: {[survivor.pid for survivor in left]}"


@pytest.fixture
def ui(product: Product) -> Iterator[Product]:
    """A pool that was never run, in the UI."""
    with serve(product) as served:
        yield served


@pytest.fixture
def page():
    """A page of a real headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    executable = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if executable is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        opened = browser.new_page(viewport={"width": 1500, "height": 950})
        yield opened
        browser.close()
