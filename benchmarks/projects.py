"""Data folders for benchmarks over the whole product. Belongs here: files and registry YAML. Not: measuring."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from datasel_assets.storage.run_log import read_runs

REPOSITORY = Path(__file__).resolve().parent.parent
BUDGET = {"fraction": 0.035}


def shared_data() -> Path:
    """Return the folder of the development datasets.

    Raises:
        SystemExit: it is absent.
    """
    folder = Path(os.environ.get("DATASEL_SHARED", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "manifest.json").is_file():
        raise SystemExit("this benchmark needs the development datasets: set DATASEL_SHARED to their folder")
    return folder


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Write one registry file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def copy_representations(data: Path) -> list[str]:
    """Copy the shipped representations; return their names."""
    shutil.copytree(REPOSITORY / "data" / "representations", data / "representations", dirs_exist_ok=True)
    return sorted(path.stem for path in (data / "representations").glob("*.yaml"))


def add_recipes(data: Path, representations: list[str], targets: list[str]) -> None:
    """Write the control arms and one round-robin recipe per representation and target."""
    for arm in ("random", "longest"):
        write_yaml(
            data / "recipes" / f"{arm}.yaml",
            {"doc": arm, "paper": "baseline", "select": {"sampler": arm}, "budget": BUDGET},
        )
    for name in representations:
        for target in targets:
            select = {"sampler": "round_robin", "representation": name, "target": target}
            recipe = {"doc": name, "paper": "see representation", "drop": [{"when": "duplicate"}], "select": select}
            write_yaml(data / "recipes" / f"{name}_{target}.yaml", {**recipe, "budget": BUDGET})


def run_project(data: Path) -> dict[str, float]:
    """Run the main job over ``data`` in a fresh process; return wall and CPU seconds and peak memory in MB."""
    environment = {
        **os.environ,
        "DATASEL_DATA": str(data),
        "DATASEL_DAGSTER_DIR": str(data / "warehouse" / "_dagster"),
        "DAGSTER_HOME": str(REPOSITORY),
    }
    started, peak, cpu = time.perf_counter(), 0.0, 0.0
    process = subprocess.Popen([sys.executable, "-m", "datasel_assets", "run"], env=environment, cwd=REPOSITORY)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss / 1e6)
            times = watched.cpu_times()
            cpu = times.user + times.system
        except psutil.Error:
            break
        time.sleep(0.05)
    if process.wait():
        raise SystemExit(f"the main job over {data} failed")
    return {"wall_s": time.perf_counter() - started, "cpu_s": cpu, "peak_rss_mb": peak}


def run_log(data: Path) -> list[dict[str, Any]]:
    """Return what each step cost."""
    return read_runs(data / "warehouse")
