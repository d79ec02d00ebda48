"""Warm-up: a model is trained on a selection and then reads every row (Cherry LLM, arXiv 2308.12032).

Belongs here: the table. Does not: the selection (``selections``), what the scores are (``indicators.tokens``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.registry.registry import Registry
from datasel_assets.specs.loop import WarmUpSpec
from datasel_assets.storage.lake import Key
from datasel_assets.tables.loops.outcome import publish
from datasel_assets.tables.loops.trained import (
    AT_ONCE,
    BACKWARD,
    LoopTraining,
    held_out_rows,
    trained_loop_table,
    whole_training,
)
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Graph, Step, Table


def warm_up_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the table of the file ``loops/<name>.yaml``."""
    spec = registry.loops[name]
    assert isinstance(spec, WarmUpSpec)
    selection: Key = ("selections", spec.after)
    return [
        trained_loop_table(
            name,
            spec,
            registry,
            graph,
            reads=[selection],
            about=(
                f"`{spec.model}` trained on the selection of `{spec.after}` ({spec.epochs} times each row), and "
                f"`{spec.by}` of all other rows under the model that this gives."
            ),
            build=partial(_build, spec),
            columns={
                "score": f"{spec.by} under the trained model; null: a row of the first selection, or out of bounds.",
                "told": "Why a row has no score, or which model gave it, in words.",
                "nll": "Mean loss of a response token under the trained model.",
            },
        )
    ]


def _build(spec: WarmUpSpec, step: Step) -> Built:
    warehouse = step.warehouse
    pool = read_pool(warehouse)
    selected = warehouse.lake.scan(("selections", spec.after)).select("row_id").collect()["row_id"]
    first = pool["row_id"].is_in(selected.implode()).to_numpy()
    held_out = held_out_rows(pool, spec.held_out, spec.seed) & ~first
    training = LoopTraining(step, spec, pool, held_out, offline=0)
    pieces = whole_training(np.flatnonzero(first), spec.epochs, spec.seed)
    passes = 2 if spec.by == "ifd_loss_ratio" else 1
    done, shown = _resumed(training), {}
    if not done:
        cost = int(first.sum()) * spec.epochs + passes * pool.height // BACKWARD
        shown = training.announce(cost, np.flatnonzero(first))
        training.measure(0, len(pieces))
    for k in range(done, len(pieces)):
        training.train(*pieces[k])
        training.measure(k + 1, len(pieces))
        training.save({"done": k + 1})
        step.progress(k + 1, len(pieces))
    values = _read(spec, step, training, pool)
    training.passes += passes * pool.height
    rows = _rows(spec, pool, values, first)
    info = publish(step, rows, training.rounds_frame(), meta={"rows_read": training.passes})
    shown |= training.shown() | training.loss_shown()
    shown |= {"trained_on": int(first.sum()), "selection": table_link("selections", spec.after)}
    training.finish()
    scored = rows["score"].count()
    checks = {"some_rows_were_chosen": Check(scored > 0, {"rows": scored})}
    return Built(info, pool.height, metadata={**shown, "rows_scored": scored}, checks=checks)


def _resumed(training: LoopTraining) -> int:
    found = training.resume()
    return 0 if found is None else int(found["done"])


def _read(spec: WarmUpSpec, step: Step, training: LoopTraining, pool: pl.DataFrame) -> pl.DataFrame:
    """Return ``nll`` and, where it is asked for, ``ifd_loss_ratio`` of every row of the pool."""
    from datasel_assets.models.train.row_losses import row_losses

    parts = []
    for start in range(0, pool.height, AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, pool.height))
        conversations = training.conversations(rows)
        prompts = (True, False) if spec.by == "ifd_loss_ratio" else (True,)
        parts.append(np.stack([row_losses(training.model, conversations, prompts=each) for each in prompts]))
        step.progress(int(rows[-1]) + 1, pool.height)
    found = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0))
    columns = {"nll": found[0]}
    if spec.by == "ifd_loss_ratio":
        columns["ifd_loss_ratio"] = np.divide(found[0], found[1], out=np.full(pool.height, np.nan), where=found[1] > 0)
    return pl.DataFrame(columns).fill_nan(None)


def _rows(spec: WarmUpSpec, pool: pl.DataFrame, values: pl.DataFrame, first: np.ndarray) -> pl.DataFrame:
    """Return a line for every row of the pool."""
    value = values[spec.by]
    high = value > spec.up_to if spec.up_to is not None else pl.repeat(value=False, n=len(value), eager=True)
    told = (
        pl.select(
            pl.when(pl.Series(first))
            .then(pl.lit(f"the model was trained on it, by {spec.after}"))
            .when(value.is_null())
            .then(pl.lit(f"{spec.by} is not defined"))
            .when(high)
            .then(pl.format(f"{spec.by} is {{}}, above {spec.up_to}", value.round(4)))
            .otherwise(pl.lit(f"under the model trained on {spec.after}"))
        )
        .to_series()
        .alias("told")
    )
    kept = ~(pl.Series(first) | high.fill_null(value=False))
    return pool.select("row_id", "source").with_columns(
        score=pl.select(pl.when(kept).then(value)).to_series().cast(pl.Float32),
        told=told,
        nll=values["nll"].cast(pl.Float32),
    )
