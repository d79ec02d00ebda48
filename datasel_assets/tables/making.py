"""The life of a table that is made: is it current? build, measure the cost, remember what its page shows.

Belongs here: what happens to every table alike. Does not belong here: what any particular one computes (its ``build``),
and in which order tables are made (``planning``).
"""

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import Any

from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.lake import Key, Lake
from datasel_assets.tables.costs.kept import forecast_shown, kept_plan
from datasel_assets.tables.costs.work import uses_gpu, work
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.peak_memory import peak_mb, reset_peak
from datasel_assets.tables.planning import upstream_of
from datasel_assets.tables.shown import arranged, from_json, short, to_json
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

UNCHANGED = "nothing to do; the facts shown are those of the last computation"
LOG = logging.getLogger("datasel_assets")


@dataclass(frozen=True)
class Made:
    """A table that is as it should be.

    Attributes:
        built: what it holds and what its page shows; of the last computation where there was nothing to do.
        cost: seconds, CPU seconds and peak memory; empty where there was nothing to do.
    """

    built: Built
    cost: Mapping[str, float] = field(default_factory=dict)


def make(
    warehouse: Warehouse,
    table: Table | str,
    source: str | None = None,
    *,
    upstream: bool = False,
    log: Logger = LOG,
    run_id: str = "",
    plan: str = "",
) -> Made:
    """Bring one table up to date, or do nothing if it is.

    Args:
        warehouse: the opened data folder.
        table: a table, or its name (``"embeddings/minilm"``).
        source: for which source, where there is one table per source.
        upstream: bring what it reads up to date first; what is read of all sources, for all of them.
        log: where it is said what happens.
        run_id: recorded with the cost.
        plan: name of the plan that this belongs to, of which the page then tells what was expected.

    Raises:
        KeyError: there is no table of this name.
        ValueError: a source is missing or superfluous.
    """
    if isinstance(table, str):
        table = named(warehouse, table)
    if table.per_source != (source is not None):
        raise ValueError(f"{table.name} has {'a table per source: name one' if table.per_source else 'no sources'}")
    if upstream:
        every = all_tables(warehouse.registry)
        for other, of in upstream_of(table, source, every, sorted(warehouse.registry.sources)):
            _make(warehouse, other, of, log, run_id, plan)
    return _make(warehouse, table, source, log, run_id, plan)


def named(warehouse: Warehouse, name: str) -> Table:
    """Return the table called ``name``.

    Raises:
        KeyError: there is none; names those that come near.
    """
    tables = {table.name: table for table in all_tables(warehouse.registry)}
    if name not in tables:
        near = ", ".join(sorted(other for other in tables if other.split("/")[0] == name.split("/")[0])) or "none"
        raise KeyError(f"there is no table {name!r}; those of this kind: {near}")
    return tables[name]


def facts_of(table: Table, made: Made) -> dict[str, Any]:
    """Return what the page of a table shows, ten figures first."""
    built, cost = made.built, made.cost
    new = built.rows_new
    rate = {"rows_per_second": round(new / max(cost["seconds"], 1e-3), 1)} if new and cost else {}
    return arranged(
        {
            "rows_total": built.rows,
            "rows_new": new,
            "rows_reused": built.rows_reused,
            "rows_removed": built.rows_removed,
            **{name: cost[name] for name in ("seconds",) if name in cost},
            **built.metadata,
            **cost,
            **rate,
            "size_mb": short(built.info.bytes / 1e6),
            "fingerprint": built.info.fingerprint,
            "made from": ", ".join("/".join(key) for key in table.reads) or "files",
        }
    )


def in_one_sentence(error: Exception, table: str, source: str | None) -> str:
    """Return what stands in the first red line of a run: which table, of which source, and what is wrong.

    >>> in_one_sentence(ValueError("no row is left of 6"), "selections/a", None)
    'selections/a: no row is left of 6'
    """
    return f"{table}{f' of {source}' if source else ''}: {str(error) or type(error).__name__}"


def note_path(lake: Lake, key: Key) -> Path:
    """Return where it is kept what the page of a table shows."""
    return lake.path(("_notes", *key), ".json")


def _make(warehouse: Warehouse, table: Table, source: str | None, log: Logger, run_id: str, plan: str) -> Made:
    lake, expected = warehouse.lake, table.expect(warehouse, source)
    note = note_path(lake, expected.key)
    if lake.is_current(expected):
        log.info(f"{table.name} {source or ''}: nothing to do, its inputs and code are unchanged")
        info = lake.require(expected.key)
        facts, checks = _recall(note)
        missing = sorted(set(table.checks) - set(checks))
        if not missing:
            shown = {"increment": UNCHANGED} | {name: fact for name, fact in facts.items() if name != "increment"}
            return Made(Built(info, 0, info.rows, 0, shown, checks))
        log.info(f"its checks {missing} have no record: making it again")
    reset_peak()
    before = peak_mb()
    clock, cpu = time.perf_counter(), time.process_time()
    built = table.build(Step(warehouse, expected, source, table.name, log))
    cost = {
        "seconds": round(time.perf_counter() - clock, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_rss_mb": round(peak_mb(), 1),
    }
    if table.runs_model and uses_gpu(warehouse):
        cost["gpu_seconds"] = cost["seconds"]
    size = work(warehouse, table, source)
    lake.log_run(
        stage=table.name,
        source=source,
        run_id=run_id,
        rows_total=built.rows,
        rows_new=built.rows_new,
        rows_reused=built.rows_reused,
        rows_removed=built.rows_removed,
        **cost,
        rss_before_mb=round(before, 1),
        **size,
        **({"plan": plan} if plan else {}),
    )
    kept = kept_plan(lake, plan) if plan else None
    line = kept.line(table.name, source) if kept else None
    if line:
        built = replace(built, metadata={**built.metadata, **forecast_shown(line, {**cost, **size})})
    built = replace(built, checks={name: Check(c.passed, _plain(c.details)) for name, c in built.checks.items()})
    _remember(note, built)
    return Made(built, cost)


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(dict(details), default=float))


def _remember(note: Path, built: Built) -> None:
    """Keep what a table's page shows, so that a later step with nothing to do can show it again."""
    checks = {name: {"passed": c.passed, "details": c.details} for name, c in built.checks.items()}
    # A list, because the order on the page would be lost in an object with sorted keys.
    write_json(note, {"checks": checks, "shown": [[name, to_json(value)] for name, value in built.metadata.items()]})


def _recall(note: Path) -> tuple[dict[str, Any], dict[str, Check]]:
    with suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
        kept = json.loads(note.read_text("utf-8"))
        shown = {name: from_json(value) for name, value in kept.get("shown", [])}
        return shown, {name: Check(c["passed"], c["details"]) for name, c in kept["checks"].items()}
    return {}, {}
