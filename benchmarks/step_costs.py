"""What each step of the default run costs by its work: the reference from which `datasel plan` tells a first run.

The main job over copies of the shipped data folder, each in a fresh process and a fresh warehouse: one with a share of
the rows of the larger sources, one with all of them. A step's work is the conversations behind it, or their tokens,
whichever explains its CPU seconds better over all sources and both pools; what is fitted is a fixed cost and a rate. How
much faster than its rows a step grows is taken from the benchmark `growth`, where it has that operation.

Written to `datasel_assets/costs/reference.json`. The steps of one run share a process, so that memory is what a step
adds to what was there before it.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.projects import REPOSITORY, run_log, run_project

SHARE = 4
"""The smaller pool has this part of the rows of the larger sources."""

FEWER = {
    "arithmetic": f"arithmetic:?rows={1500 // SHARE}&seed=0",
    "python_stdlib_docs": f"docstrings:?packages=stdlib&max_rows={2500 // SHARE}",
    "python_libraries_docs": (
        "docstrings:?packages=polars,numpy,dagster,duckdb,pyarrow,pydantic,fsspec,huggingface_hub"
        f"&max_rows={2000 // SHARE}"
    ),
}

WRITTEN = REPOSITORY / "datasel_assets" / "costs" / "reference.json"


def pool(folder: Path, fewer: bool) -> Path:
    """Copy the shipped data folder, with fewer rows where that is asked for."""
    shutil.copytree(REPOSITORY / "data", folder, ignore=shutil.ignore_patterns("warehouse", "releases"))
    for name, uri in FEWER.items() if fewer else ():
        path = folder / "sources" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "uri": uri}))
    return folder


def tokens(data: Path) -> dict[str, int]:
    """Return source -> tokens of its conversations."""
    files = sorted((data / "warehouse" / "corpus").glob("*.parquet"))
    return {file.stem: int(pl.read_parquet(file, columns=["n_tokens"])["n_tokens"].sum()) for file in files}


def measured(data: Path) -> dict[str, Any]:
    """Run the main job over a data folder; return its records with the tokens behind each, and what the run cost."""
    cost = run_project(data)
    known = tokens(data)
    records = [{**r, "corpus_tokens": known.get(r["source"], sum(known.values()))} for r in run_log(data)]
    return {"cost": cost, "records": records}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both pools, or fit again what was measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, help="records of both pools; made where the file is absent")
    arguments = parser.parse_args(argv)
    file = arguments.measured or Path(tempfile.mkdtemp()) / "measured.json"
    if not file.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            runs = [measured(pool(Path(scratch) / name, name == "fewer")) for name in ("fewer", "all")]
        file.write_text(json.dumps({"date": datetime.now(UTC).date().isoformat(), "runs": runs}))
