"""Measure one operation, ours beside each opponent, and keep the figures.

Belongs here: clocks, peak memory, isolation in a fresh process, the result file. Not: the operations.
"""

import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results"
VERSIONED = (
    "datasel_assets",
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "scikit-learn",
    "polars",
    "duckdb",
    "numba",
    "rensa",
    "datasketch",
    "apricot-select",
    "submodlib-py",
    "vendi-score",
    "semhash",
    "data-selection",
    "lexicalrichness",
    "textstat",
    "numpy",
    "kronfluence",
)


@dataclass
class Measured:
    """Cost of one block: seconds on the wall, CPU seconds of this process, peak memory above the start in MB."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0


@dataclass
class Row:
    """One line of a result table."""

    implementation: str
    n: int
    measured: Measured
    objective: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@contextmanager
def measured(interval: float = 0.01):
    """Take wall seconds, CPU seconds and peak memory of a block into what ``with ... as`` names.

    Peak memory counts private pages only (memory-mapped input is not ours), sampled every ``interval`` seconds.
    """
    process = psutil.Process()
    result = Measured()
    stop = threading.Event()

    def private() -> float:
        info = process.memory_info()
        return (info.rss - getattr(info, "shared", 0)) / 1e6

    start_memory = peak = private()

    def sample() -> None:
        nonlocal peak
        while not stop.wait(interval):
            peak = max(peak, private())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield result
    finally:
        result.wall_s = time.perf_counter() - wall
        result.cpu_s = time.process_time() - cpu
        stop.set()
        sampler.join()
        result.peak_rss_mb = max(peak, private()) - start_memory


def high_water_mb() -> float:
    """Largest resident size of this process, mapped input included (``ru_maxrss`` would be inherited at fork)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def isolated(
    function: str, *, limit_s: float | None = None, python: str = sys.executable, **arguments: Any
) -> dict[str, Any]:
    """Call ``package.module:function(**arguments)`` in a fresh process and return its JSON-able dict.

    A fresh process gives every implementation the same cold caches and its own peak memory. ``python`` is another
    interpreter for opponents whose packages do not go together with ours.

    Raises:
        subprocess.TimeoutExpired: it ran for ``limit_s`` seconds, and was stopped.
    """
    module, name = function.split(":")
    code = (
        "import json,sys,importlib;"
        "a=json.loads(sys.argv[1]);"
        "r=getattr(importlib.import_module(a['module']),a['name'])(**a['arguments']);"
        "print('\\n@@'+json.dumps(r))"
    )
    argument = json.dumps({"module": module, "name": name, "arguments": arguments})
    done = subprocess.run(
        [python, "-c", code, argument],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        timeout=limit_s,
    )
    return json.loads(done.stdout.rsplit("@@", 1)[1])


def report(operation: str, rows: Sequence[Row], *, record: bool = True) -> None:
    """Print the table of ``rows`` and append one JSON line for each to ``benchmarks/results/<operation>.jsonl``."""
    print(f"\n{operation}")
    print(f"  {'implementation':38} {'n':>9} {'wall s':>9} {'cpu s':>9} {'peak MB':>9}  objective  extra")
    for row in rows:
        objective = "" if row.objective is None else f"{row.objective:.5g}"
        extra = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.extra.items())
        m = row.measured
        print(
            f"  {row.implementation:38} {row.n:>9,} {m.wall_s:>9.3f} {m.cpu_s:>9.3f} {m.peak_rss_mb:>9.1f}"
            f"  {objective:>9}  {extra}"
        )
    if not record:
        return
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{operation}.jsonl").open("a", encoding="utf-8") as handle:
        for row in rows:
            handle.write(json.dumps(_line(operation, row)) + "\n")


def _line(operation: str, row: Row) -> dict[str, Any]:
    return {
        "operation": operation,
        "implementation": row.implementation,
        "n": row.n,
        "wall_s": round(row.measured.wall_s, 4),
        "cpu_s": round(row.measured.cpu_s, 4),
        "peak_rss_mb": round(row.measured.peak_rss_mb, 1),
        "objective": row.objective,
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "load": round(os.getloadavg()[0], 2),
        "versions": _versions(),
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **row.extra,
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named operations, or all of them."""
    names = list(sys.argv[1:] if argv is None else argv) or sorted(
        p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in ("__init__", "harness", "projects")
    )
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main([])
    return 0


if __name__ == "__main__":
    sys.exit(main())
