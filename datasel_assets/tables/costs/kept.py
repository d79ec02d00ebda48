"""Plans that are kept: beside the records of steps, so that what was expected stands by what it was.

Belongs here: writing and reading them. Does not belong here: making one (``planned``), comparing (``costs.plan``).
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from datasel_assets.costs.plan import Plan, PlanLine
from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.lake import Lake
from datasel_assets.tables.shown import Rows, Shown, short

FOLDER = "_plans"
FORECAST = "expected and taken"


def keep_plan(lake: Lake, plan: Plan) -> str:
    """Keep a plan; return its name, which orders plans by time."""
    name = f"{time.time_ns():020d}"
    write_json(lake.root / FOLDER / f"{name}.json", plan.plain())
    return name


def kept_plan(lake: Lake, name: str) -> Plan | None:
    """Return the plan of this name; None where it is gone."""
    path = lake.root / FOLDER / f"{name}.json"
    return Plan.of_plain(json.loads(path.read_bytes())) if path.is_file() else None


def last_plan(lake: Lake) -> tuple[str, Plan] | None:
    """Return the name of the last plan of a run, and the plan; None before the first run."""
    names = sorted(path.stem for path in (lake.root / FOLDER).glob("*.json"))
    plan = kept_plan(lake, names[-1]) if names else None
    return (names[-1], plan) if plan else None


def records_of(lake: Lake, name: str) -> list[dict[str, Any]]:
    """Return what the steps took that were made by a plan."""
    return [record for record in lake.runs() if record.get("plan") == name]


def forecast_shown(line: PlanLine, taken: Mapping[str, float]) -> dict[str, Shown]:
    """Return what the page of a table shows of its plan, beside what it took.

    Args:
        line: of the plan.
        taken: the record of the step: ``seconds``, ``cpu_seconds``, ``peak_rss_mb`` and ``bytes_written``.
    """
    figures = {
        "seconds": (line.seconds, taken["seconds"]),
        "CPU seconds": (line.cpu_seconds, taken["cpu_seconds"]),
        "memory, MB": (line.memory_mb, taken["peak_rss_mb"]),
        "bytes written": (line.bytes_written, taken["bytes_written"]),
    }
    heads = {"figure": None, "expected": f"known from {line.basis}", "taken": None}
    return {FORECAST: Rows(heads, [[name, short(float(e)), short(float(t))] for name, (e, t) in figures.items()])}
