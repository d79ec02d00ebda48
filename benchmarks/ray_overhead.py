"""What it costs to have units carried out by a Ray cluster: CPU seconds beside those of one process, and equal bytes.

One table of embeddings over rows of ``alpaca_52k``, made twice: by this process with one thread, and by one worker of a
cluster on this machine. CPU seconds of the cluster are those of the step and of the worker, without the processes of
Ray itself, which are given apart: they run whether there is work or not.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import Measured, Row, report
from benchmarks.projects import REPOSITORY, shared_data, write_yaml

ENCODER = {"max_tokens": 64, "layers": [-1], "precision": "float32"}
TABLE = "embeddings/all_minilm_l6_v2_t64_weighted_mean_float32"
SOURCE = "alpaca"
PORT = 6421
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONPATH": str(REPOSITORY),
}
MAKE = (
    "import sys; from datasel_assets.tables import make, open_warehouse;"
    "make(open_warehouse(sys.argv[1], 'cpu'), *sys.argv[2:])"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "local"
        _write(data, arguments.n)
        for name in ("raw_corpus", "corpus"):
            _make(data, name, "local")
        shutil.copytree(data, Path(folder) / "ray")
        local = _make(data, TABLE, "local")
        with _cluster() as family:
            # Once before, so that the worker is there, as in a run of many tables.
            _make(Path(folder) / "ray", "scores/text", f"ray:127.0.0.1:{PORT}", family)
            ray = _make(Path(folder) / "ray", TABLE, f"ray:127.0.0.1:{PORT}", family)
        same = _bytes(data) == _bytes(Path(folder) / "ray")
        rows = [
            Row("this process", arguments.n, local[0]),
            Row(
                "one worker of a Ray cluster",
                arguments.n,
                ray[0],
                ray[0].cpu_s / local[0].cpu_s,
                {"same_bytes": same, "cpu_s_of_ray_itself": round(ray[1], 2)},
            ),
        ]
    report("ray_overhead", rows, record=not arguments.no_record)
    return 0


def _write(data: Path, n: int) -> None:
    import polars as pl

    (data / "files").mkdir(parents=True)
    rows = pl.read_parquet(shared_data() / "alpaca_52k.parquet").head(n)
    rows.write_parquet(data / "files" / "alpaca.parquet")
    write_yaml(data / "sources" / f"{SOURCE}.yaml", {"uri": "files/alpaca.parquet"})
    spec = {"encoder": ENCODER, "compress": {"method": "none"}}
    write_yaml(data / "representations" / "plain.yaml", spec)


def _bytes(data: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((data / "warehouse" / "embeddings").rglob("*.parquet"))]


def _make(data: Path, table: str, compute: str, family: "_Family | None" = None) -> tuple[Measured, float]:
    """Make a table in a process of its own; return its cost with that of the workers, and what Ray itself used."""
    before = family.cpu() if family else (0.0, 0.0)
    started = time.perf_counter()
    command = [sys.executable, "-c", MAKE, str(data), table, SOURCE]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "DATASEL_COMPUTE": compute})
    watched, cpu, peak = psutil.Process(process.pid), 0.0, 0.0
    after = before
    while process.poll() is None:
        with suppress(psutil.Error):
            times = watched.cpu_times()
            cpu, peak = times.user + times.system, max(peak, watched.memory_info().rss / 1e6)
        after = family.cpu() if family else before
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{table} failed on {compute}")
    workers, itself = (a - b for a, b in zip(after, before, strict=True))
    return Measured(time.perf_counter() - started, cpu + workers, peak), itself


class _Family:
    """The processes of a cluster."""

    def __init__(self, roots: Sequence[subprocess.Popen]) -> None:
        self._roots = roots
        self._seen: dict[int, tuple[bool, float]] = {}

    def cpu(self) -> tuple[float, float]:
        """Return CPU seconds so far of its workers, and of all its other processes; those that ended count too."""
        for process in self.processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                works = process.name().startswith("ray::") or "default_worker" in " ".join(process.cmdline())
                self._seen[process.pid] = works, times.user + times.system
        workers = sum(seconds for works, seconds in self._seen.values() if works)
        return workers, sum(seconds for _, seconds in self._seen.values()) - workers

    def processes(self) -> list[psutil.Process]:
        """Return all processes that are alive."""
        found = []
        for root in self._roots:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(root.pid)
                found += [*process.children(recursive=True), process]
        return found


@contextmanager
def _cluster() -> Iterator[_Family]:
    """Run a cluster of one node with one core while the block runs."""
    folder = tempfile.mkdtemp(prefix="ray-")
    program = str(Path(sys.executable).parent / "ray")
    command: list[Any] = [program, "start", "--head", f"--port={PORT}", "--node-ip-address=127.0.0.1", "--num-cpus=1"]
    command += ["--num-gpus=0", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}", "--block"]
    command.append(f"--object-store-memory={100 << 20}")
    head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    family = _Family([head])
    try:
        _wait_for(PORT)
        yield family
    finally:
        for process in family.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, seconds: float = 180) -> None:
    """Return when somebody listens, and has had time to get ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as asking:
            if asking.connect_ex((socket.gethostbyname(socket.gethostname()), port)) == 0:
                time.sleep(20)
                return
        time.sleep(0.5)
    raise SystemExit(f"the cluster does not listen on port {port}")


if __name__ == "__main__":
    sys.exit(main())
