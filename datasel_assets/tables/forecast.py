"""What a long pass of a model will cost, said before it starts.

Belongs here: the forecast from what earlier runs cost or from a few rows that are measured, and how it is said. Does
not belong here: what a pass does, what it cost in the end (``making``).

Forecasts are told in the log and on the page of a table, and never enter the table itself.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.compute.units import function_at, path_of
from datasel_assets.storage.lake import Key, Lake
from datasel_assets.tables.peak_memory import peak_mb
from datasel_assets.tables.row_table import Work
from datasel_assets.tables.row_units import Context, loaded
from datasel_assets.tables.table import Step, key_of

TRIAL_ROWS = 16
"""Rows that are measured: a few batches of a small model, seconds of a large one."""

WORTH_IT = 8 * TRIAL_ROWS
"""Passes over fewer rows than this are not measured: that would take as long as a good part of them."""


@dataclass(frozen=True)
class Forecast:
    """What is expected of a pass.

    Attributes:
        rows: that are to be computed.
        seconds: of wall time.
        memory_gb: of main memory, at the highest.
        size: bytes that are written, before compression.
        basis: what this is told from, in words.
    """

    rows: int
    seconds: float
    memory_gb: float
    size: int
    basis: str

    def words(self) -> str:
        """Return the forecast as the end of a sentence."""
        took = timedelta(seconds=max(1, round(self.seconds)))
        return (
            f"{self.rows:,} rows, about {took} h, {self.memory_gb:.1f} GB of memory and {self.size / 1e6:,.1f} MB to "
            f"write ({self.basis})"
        )

    def shown(self) -> dict[str, Any]:
        """Return what a page shows."""
        return {
            "forecast_seconds": round(self.seconds, 1),
            "forecast_memory_gb": round(self.memory_gb, 2),
            "forecast_bytes": self.size,
            "forecast_from": self.basis,
        }


def announced(step: Step, forecast: Forecast | None) -> dict[str, Any]:
    """Say a forecast in the log of a step; return what its page shows."""
    if forecast is None:
        return {}
    step.log.info(f"{step.stage} {step.source or ''}: {forecast.words()}")
    return forecast.shown()


def from_costs(lake: Lake, stage: str, rows: int, size: int) -> Forecast | None:
    """Return what the last run of a stage that computed a good number of rows says of the next; None without one."""
    for record in reversed(lake.runs()):
        computed = record.get("rows_new", 0)
        if record.get("stage") == stage and computed >= WORTH_IT // 2 and record.get("seconds", 0) > 0:
            seconds = record["seconds"] * rows / computed
            basis = f"the last run of {stage} took {record['seconds']:,.0f} s for {computed:,} rows"
            return Forecast(rows, seconds, record.get("peak_rss_mb", 0) / 1024, size, basis)
    return None


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that something takes."""
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock


def row_forecast(
    step: Step,
    work: Work,
    rows: int,
    *,
    rows_of: Key = ("corpus",),
    compute: Callable[..., Any],
    load: Callable[..., Any],
    bytes_per_row: int,
) -> dict[str, Any]:
    """Forecast a pass of a row table over conversations, from what it cost before or from a few of its rows.

    What is loaded for the trial stays loaded for the units of this process.

    Args:
        step: that makes the table.
        work: what it needs.
        rows: that are to be computed.
        rows_of: key of the conversations, without the source.
        compute: of the table.
        load: of the table.
        bytes_per_row: that are written.
    """
    if rows < WORTH_IT:
        return {}
    lake, settings = step.warehouse.lake, step.warehouse.settings
    if known := from_costs(lake, step.stage, rows, rows * bytes_per_row):
        return announced(step, known)
    upstream = lake.scan(key_of(rows_of, step.source))
    lengths = upstream.select("row_id", "n_tokens").collect()
    wanted = lengths[hash_sample(lengths["row_id"].to_numpy(), TRIAL_ROWS, seed=0)]
    frame = upstream.filter(pl.col("row_id").is_in(wanted["row_id"].implode())).select("row_id", *work.reads).collect()
    made = loaded(path_of(load), str(settings.data), settings.device, json.dumps(dict(work.arguments), sort_keys=True))
    context = Context(step.warehouse, step.source, tuple(work.schema.names[1:]), work.arguments, made)
    of_module = function_at(path_of(compute))
    # What is slow only once must not count for every row.
    of_module(frame[:2], context)
    seconds = timed(lambda: of_module(frame, context))
    share = float(wanted["n_tokens"].sum()) / max(1.0, float(lengths["n_tokens"].sum()))
    whole = seconds / max(share, 1e-12) * rows / lengths.height
    basis = f"{frame.height} rows were measured"
    return announced(step, Forecast(rows, whole, peak_mb() / 1024, rows * bytes_per_row, basis))
