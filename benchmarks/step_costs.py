"""What each step of the default run costs by its work: the reference from which `datasel plan` tells a first run.

The main job over copies of the shipped data folder, each in a fresh process and a fresh warehouse: one with a share of
the rows of the larger sources, one with all of them. A step's work is the conversations behind it, or their tokens,
whichever explains its CPU seconds better over all sources and both pools; what is fitted is a fixed cost and a rate.
How much faster than its rows a step grows is taken from the benchmark `growth`, where it has that operation.

Wall seconds are CPU seconds by the ratio that a stage had in the last run. On a busy machine they say little: where
the folder has a file `quiet.json`, the same of a run over all rows while the machine did nothing else, it is the last.

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
from datasel_assets.costs.line import Line, fit_line
from datasel_assets.costs.step_cost import QUANTITIES, READ_TOKENS, StepCost, Work
from datasel_assets.registry.load import load_registry
from datasel_assets.tables.costs.planned import made_from_rows
from datasel_assets.tables.graph import all_tables

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

WORTH_IT = 0.1
"""Seconds of what is done once that are worth a word."""

GROWTH = {
    "cluster_models": "k-means, sqrt(n) clusters",
    "near_duplicates": "near duplicates",
    "semantic_duplicates": "SemDeDup",
}
"""Kind of table -> the operation of the benchmark ``growth`` that it does; the others grow with their rows."""

ALGORITHMS = {"scores/neighbours": 1.5}
"""A row is compared with those of 32 of 4 sqrt(n) lists."""

WRITTEN = REPOSITORY / "datasel_assets" / "costs" / "reference.json"


def pool(folder: Path, fewer: bool) -> Path:
    """Copy the shipped data folder, with fewer rows where that is asked for."""
    shutil.copytree(REPOSITORY / "data", folder, ignore=shutil.ignore_patterns("warehouse", "releases"))
    for name, uri in FEWER.items() if fewer else ():
        path = folder / "sources" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "uri": uri}))
    return folder


def sizes(data: Path) -> dict[str, dict[str, int]]:
    """Return source -> tokens of its conversations, and those that an encoder reads."""
    files = sorted((data / "warehouse" / "corpus").glob("*.parquet"))
    lengths = {file.stem: pl.read_parquet(file, columns=["n_tokens"])["n_tokens"] for file in files}
    return {
        name: {"corpus_tokens": int(some.sum()), "corpus_encoded": int(some.clip(upper_bound=READ_TOKENS).sum())}
        for name, some in lengths.items()
    }


def measured(data: Path) -> dict[str, Any]:
    """Run the main job over a data folder; return its records with the tokens behind each, and what the run cost."""
    cost = run_project(data)
    return {"cost": cost, "records": sized(run_log(data), sizes(data))}


def sized(records: Sequence[dict[str, Any]], known: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return records with the size of what was behind each: its source, else the whole pool."""
    pool = {name: sum(of[name] for of in known.values()) for name in ("corpus_tokens", "corpus_encoded")}
    return [{**record, **known.get(record["source"], pool)} for record in records]


def fitted(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the reference that the records of both pools make."""
    registry = load_registry(REPOSITORY / "data")
    about_rows = {table.name for table in made_from_rows(all_tables(registry))}
    records = [{**record, "run": number} for number, run in enumerate(runs) for record in run["records"]]
    stages = sorted({record["stage"] for record in records})
    exponents = {kind: round(exponent(operation), 2) for kind, operation in GROWTH.items()} | ALGORITHMS
    steps = {}
    for stage in stages:
        own = [record for record in records if record["stage"] == stage]
        last = [record for record in runs[-1]["records"] if record["stage"] == stage]
        firsts = [next(r for r in own if r["run"] == number) for number, run in enumerate(runs) if stage in of(run)]
        later = [record for record in own if record not in firsts]
        once = firsts if later else []
        grows = exponents.get(stage, exponents.get(stage.split("/")[0], 1.0))
        steps[stage] = step_cost(later or own, last, stage in about_rows, grows, once).plain()
    told = [run for run in runs if "cpu_s" in run["cost"]]
    between = [(run["cost"]["cpu_s"] - summed(run["records"], "cpu_seconds")) / len(run["records"]) for run in told]
    all_rows = runs[-1]
    wall = (all_rows["cost"]["wall_s"] - summed(all_rows["records"], "seconds")) / len(all_rows["records"])
    before = [record["rss_before_mb"] for record in records if "rss_before_mb" in record]
    pools = " and ".join(f"{max(r['corpus_rows'] for r in run['records']):,}" for run in runs[:2])
    return {
        "how": (
            f"benchmarks/step_costs.py: the default run over {pools} rows of the shipped pool, "
            f"{os.cpu_count()} cores of {platform.machine()}, {datetime.now(UTC).date().isoformat()}"
            f"{'; wall seconds of a run of their own on a machine that did nothing else' if len(runs) > 2 else ''}"
        ),
        "start_mb": round(min(before), 1),
        "before_mb": round(max(before), 1),
        "between_seconds": round(wall, 3),
        "between_cpu_seconds": round(float(np.mean(between)), 3),
        "steps": steps,
    }


def of(run: dict[str, Any]) -> set[str]:
    """Return the stages of a run."""
    return {record["stage"] for record in run["records"]}


def step_cost(
    own: Sequence[Any], last: Sequence[Any], about_rows: bool, exponent: float, firsts: Sequence[Any]
) -> StepCost:
    """Return the cost of a stage; by rows or by tokens, whichever explains its CPU seconds better.

    What was seen at one size only is taken for the same at every size. What the ``firsts``, the first sources of their
    runs, cost above the line of the others is what is done once.

    Wall seconds are its CPU seconds times their ratio in the last run.
    """
    ratio = summed(last, "seconds") / summed(last, "cpu_seconds") if summed(last, "cpu_seconds") > 0 else 1.0
    if not about_rows or len({record["corpus_rows"] for record in own}) == 1:
        same = {name: mean(own, name) for name in QUANTITIES}
        same["seconds"] = same["cpu_seconds"] * ratio
        return StepCost("nothing", 1.0, {name: Line(value, 0.0) for name, value in same.items()})
    found = {}
    for per in ("rows", "tokens", "encoded"):
        size = [record[f"corpus_{per}"] / 1000 for record in own]
        cpu = [record["cpu_seconds"] for record in own]
        line = fit_line([x**exponent for x in size], cpu)
        off = [abs(line.at(x**exponent) - y) / (y + 0.05 * max(cpu)) for x, y in zip(size, cpu, strict=True)]
        found[per] = (sum(off), line)
    per = min(found, key=lambda per: found[per][0])
    cpu = found[per][1]
    lines = {"cpu_seconds": cpu, "seconds": Line(cpu.fixed * ratio, cpu.rate * ratio)}
    lines["bytes_written"] = fit_line([r[f"corpus_{per}"] / 1000 for r in own], [r["bytes_written"] for r in own])
    lines["memory_mb"] = memory([*own, *firsts], per)
    step = StepCost(per, exponent, lines)
    works = [Work(*(record[f"corpus_{per}"] for per in ("rows", "tokens", "encoded"))) for record in firsts]
    above = [r["cpu_seconds"] - step.at(work, work).cpu_seconds for r, work in zip(firsts, works, strict=True)]
    more = float(np.mean(above)) if above else 0.0
    once = {"cpu_seconds": more, "seconds": more * ratio} if more > WORTH_IT else {}
    return StepCost(per, exponent, lines, once)


def memory(records: Sequence[dict[str, Any]], per: str) -> Line:
    """Return what a step adds to the memory of its process: through the largest that was seen in each pool.

    Most of what a step adds is a model, or what the allocator keeps, and is not more for more rows.
    """
    most: dict[str, tuple[float, float]] = {}
    for record in records:
        if (added := quantity(record, "memory_mb")) is not None:
            most[record["run"]] = max(most.get(record["run"], (0.0, 0.0)), (added, record[f"corpus_{per}"] / 1000))
    sizes, added = [size for _, size in most.values()], [added for added, _ in most.values()]
    return fit_line(sizes, added) if len(set(sizes)) > 1 else Line(max(added), 0.0)


def quantity(record: dict[str, Any], name: str) -> float | None:
    """Return a quantity of a record; memory is what the step added."""
    if name != "memory_mb":
        return record.get(name)
    return max(record["peak_rss_mb"] - record["rss_before_mb"], 0.0) if "rss_before_mb" in record else None


def mean(records: Sequence[dict[str, Any]], name: str) -> float:
    """Return the mean of a quantity over the records that have it."""
    return float(np.mean([found for record in records if (found := quantity(record, name)) is not None]))


def summed(records: Sequence[dict[str, Any]], name: str) -> float:
    """Return the sum of a quantity."""
    return sum(record[name] for record in records)


def exponent(operation: str) -> float:
    """Return how the CPU seconds of an operation grow with its rows, as the benchmark ``growth`` measured it."""
    lines = (REPOSITORY / "benchmarks" / "results" / "growth.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["implementation"] == operation and "exponent" in row]
    return rows[-1]["exponent"]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both pools where that was not done before, and fit what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", type=Path, help="folder with what was measured of each pool; made where it is absent")
    folder = parser.parse_args(argv).kept or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for name in ("fewer", "all"):
        kept = folder / f"{name}.json"
        if not kept.is_file():
            with tempfile.TemporaryDirectory() as scratch:
                kept.write_text(json.dumps(measured(pool(Path(scratch) / name, name == "fewer"))))
        runs.append(json.loads(kept.read_text()))
    if (quiet := folder / "quiet.json").is_file():
        runs.append(json.loads(quiet.read_text()))
    WRITTEN.write_text(json.dumps(fitted(runs), indent=1) + "\n")


if __name__ == "__main__":
    main()
