"""A real Ray cluster of two nodes on the loopback interface, started and stopped by process id."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen

import psutil
import pytest

from datasel_assets_tests.conftest import REPOSITORY

STORE = str(100 << 20)
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A node whose heart stops is given up after a few seconds, not half a minute.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(REPOSITORY),
}


class RayCluster:
    """A head with one core and further nodes with one core each."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._folder = folder
        self._started: list[Popen] = []
        self.commands: list[list[str]] = []
        port = self.address.rpartition(":")[2]
        self.head = self._start("--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false")
        self.wait_for(1)
        self.second = self.add_node()

    def add_node(self) -> Popen:
        """Start one more node and wait until it is there."""
        before = self.nodes()
        node = self._start(f"--address={self.address}")
        self.wait_for(before + 1)
        return node

    def nodes(self) -> int:
        """Return how many nodes are alive; none while the head is starting."""
        import ray

        with suppress(ConnectionError):
            if not ray.is_initialized():
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
            return sum(node["Alive"] for node in ray.nodes())
        return 0

    def pids(self, node: Popen) -> set[int]:
        """Return the processes of a node."""
        return {process.pid for process in _family(node)}

    def wait_for(self, count: int, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while (there := self.nodes()) != count:
            if time.monotonic() > end:
                raise TimeoutError(f"the cluster has {there} nodes and not {count}")
            time.sleep(0.5)

    def kill(self, node: Popen) -> None:
        """Kill all processes of a node with SIGKILL, as a power cut would."""
        family = _family(node)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        node.wait(10)
        psutil.wait_procs(family, 10)

    def stop(self) -> None:
        for node in reversed(self._started):
            if node.poll() is None:
                self.kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *arguments: str) -> Popen:
        command = [str(Path(sys.executable).parent / "ray"), "start", *arguments, "--node-ip-address=127.0.0.1"]
        command += ["--num-cpus=1", "--num-gpus=0", f"--object-store-memory={STORE}", "--disable-usage-stats"]
        command.append("--block")
        self.commands.append(command[1:])
        environment = {**os.environ, **ENVIRONMENT}
        node = Popen(command, env=environment, stdout=DEVNULL, stderr=STDOUT, cwd=REPOSITORY, start_new_session=True)
        self._started.append(node)
        return node


def _family(node: Popen) -> list[psutil.Process]:
    """Return a process and what it started, at any depth."""
    try:
        process = psutil.Process(node.pid)
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Run a cluster while the block runs; a start that fails, as one in a dozen does on a busy machine, is repeated."""
    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for last in (False, True):
            # A short path: sockets lie in it.
            folder = Path(tempfile.mkdtemp(prefix="ray-"))
            cluster = RayCluster.__new__(RayCluster)
            try:
                cluster.__init__(folder)
                break
            except TimeoutError:
                cluster.stop()
                if last:
                    raise
        try:
            yield cluster
        finally:
            import ray

            ray.shutdown()
            cluster.stop()
