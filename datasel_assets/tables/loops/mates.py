"""MATES: rows chosen by what a step on some of them does to a target, estimated for the rest (arXiv 2406.06046).

Belongs here: the table, and carrying the rounds out. Does not: the regression (``indicators.ridge_regression``), the
noise of the draw (``samplers.gumbel_topk``), the training (``trained``).

The release adds Gumbel noise with the wrong sign: it takes the smallest of loss plus noise, which is no draw from the
softmax of the negative losses. Here the largest of worth plus noise is taken.
"""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators.ridge_regression import FEWEST, explained, fit_ridge, out_of_fold
from datasel_assets.registry.registry import Registry
from datasel_assets.samplers.gumbel_topk import gumbel
from datasel_assets.specs.loop import MatesSpec
from datasel_assets.tables.loops.outcome import publish
from datasel_assets.tables.loops.trained import LoopTraining, held_out_rows, trained_loop_table
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.shown import counts_table, table_link
from datasel_assets.tables.table import Built, Check, Graph, Step, Table

DRAW = 7
"""Added to the seed of a round, so that its probes have nothing to do with its draw."""


def mates_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the table of the file ``loops/<name>.yaml``."""
    spec = registry.loops[name]
    assert isinstance(spec, MatesSpec)
    return [
        trained_loop_table(
            name,
            spec,
            registry,
            graph,
            reads=[("targets", spec.target), ("representations", spec.representation)],
            about=(
                f"`{spec.model}` trained in {spec.rounds} rounds. In each the step on {spec.probes} rows alone tells "
                f"how far it lowers the loss of `{spec.target}`; a ridge regression on `{spec.representation}` "
                f"estimates it for all rows, and those with the highest estimates, drawn at temperature {spec.tau:g}, "
                "are trained on."
            ),
            build=partial(_build, spec),
            columns={
                "score": "How early the row was chosen: 1 for the first, less for later ones; null: it was not.",
                "told": "The round and the estimate by which the row was chosen, or why it was not, in words.",
                "worth": "How far a step on the row alone lowered the loss of the target, where that was measured "
                "last; null: it was not.",
                "estimate": "The estimate by which the row was chosen, in nats; null: it was not.",
            },
        )
    ]


def _build(spec: MatesSpec, step: Step) -> Built:
    pool = read_pool(step.warehouse)
    held_out = held_out_rows(pool, spec.held_out, spec.seed)
    found = read_vectors(step.warehouse, spec.representation, pool)
    answered = (pool["n_response_tokens"] > 0).to_numpy()
    able = pool["duplicate_of"].is_null().to_numpy() & answered & ~held_out & ~found.missing
    if able.sum() < FEWEST:
        raise ValueError(f"{step.stage}: {able.sum()} rows can be chosen, and estimates need {FEWEST} or more")
    training = LoopTraining(step, spec, pool, held_out, offline=0)
    target = step.warehouse.lake.scan(("targets", spec.target)).select("row_id", "messages").collect()
    target = target[hash_sample(target["row_id"].to_numpy(), spec.reference, spec.seed)]
    reference = training.model.texts(target["messages"].to_list())
    state: dict[str, Any] = {"chosen": [], "round": [], "estimate": [], "worth": {}, "r2": []}
    done, shown = 0, {}
    if (kept := training.resume()) is not None:
        done, state = kept["done"], dict(kept["state"])
    else:
        # After each step on a probe the references are read once.
        probed = spec.rounds * spec.probes * (1 + len(reference.of_row) // 3)
        shown = training.announce(probed + spec.budget.of(pool.height), np.flatnonzero(able))
        training.measure(0, spec.rounds)
    while done < spec.rounds:
        rows = _choose(spec, pool, training, reference, found.vectors.take, able, state, done)
        if not len(rows):
            break
        training.train(rows, done / spec.rounds)
        done += 1
        training.measure(done, spec.rounds)
        training.save({"done": done, "state": state})
        step.progress(done, spec.rounds)
    rows = _rows(pool, able, state)
    r2 = pl.Series("r2", state["r2"], dtype=pl.Float64)
    info = publish(step, rows, training.rounds_frame().with_columns(r2), meta={"rows_read": training.passes})
    shown |= training.shown() | training.loss_shown()
    training.finish()
    chosen = rows["score"].count()
    told = {f"round {k + 1}": round(value, 3) for k, value in enumerate(state["r2"])}
    shown |= {"rows_chosen": chosen, "explained of unseen probes (R2)": counts_table(told, "round", "R2")}
    shown["target"] = table_link("targets", spec.target)
    checks = {"some_rows_were_chosen": Check(chosen > 0, {"rows": chosen})}
    return Built(info, pool.height, metadata=shown, checks=checks)


def _choose(
    spec: MatesSpec,
    pool: pl.DataFrame,
    training: LoopTraining,
    reference: Any,
    vectors: Any,
    able: np.ndarray,
    state: dict[str, Any],
    done: int,
) -> np.ndarray:
    """Measure the worth of the probes of a round, estimate it for all rows, and return the rows that are chosen."""
    ids = pool["row_id"].to_numpy().astype(np.str_)
    left = able.copy()
    left[state["chosen"]] = False
    free, seed = np.flatnonzero(left), spec.seed + done * 2 * DRAW
    budget = spec.budget.of(pool.height)
    count = min(len(free), budget * (done + 1) // spec.rounds - len(state["chosen"]))
    probes = free[hash_sample(ids[free], spec.probes, seed + DRAW)]
    worth = training.worth(probes, reference, done / spec.rounds)
    known = np.isfinite(worth)
    if count <= 0 or known.sum() < FEWEST:
        return np.zeros(0, np.int64)
    x, y = vectors(probes[known]).astype(np.float64), worth[known]
    state["r2"].append(explained(y, out_of_fold(x, y)))
    line = fit_ridge(x, y)
    estimates = np.concatenate([line.estimate(vectors(part)) for part in np.array_split(free, -(-len(free) // 65_536))])
    # On the scale of their own deviation one temperature suits any model and target.
    scaled = estimates / (estimates.std() or 1.0)
    keys = scaled + spec.tau * gumbel(ids[free], seed) if spec.tau else scaled
    rows = free[np.argsort(-keys, kind="stable")[:count]]
    state["chosen"] = [*state["chosen"], *rows.tolist()]
    state["round"] = [*state["round"], *([done + 1] * len(rows))]
    state["worth"] = {**state["worth"], **dict(zip(map(str, probes[known].tolist()), y.tolist(), strict=True))}
    of = dict(zip(free.tolist(), estimates.tolist(), strict=True))
    state["estimate"] = [*state["estimate"], *(of[row] for row in rows.tolist())]
    return rows


def _rows(pool: pl.DataFrame, able: np.ndarray, state: dict[str, Any]) -> pl.DataFrame:
    """Return a line for every row of the pool."""
    score, worth, estimate = np.full((3, pool.height), np.nan)
    worth[[int(row) for row in state["worth"]]] = list(state["worth"].values())
    told = np.full(pool.height, "it repeats another row, has no response or no vector, or is held out", dtype=object)
    told[able] = "its estimates were too low to be drawn"
    chosen = state["chosen"]
    for place, (row, number, value) in enumerate(zip(chosen, state["round"], state["estimate"], strict=True)):
        score[row], estimate[row] = 1 - place / len(chosen), value
        told[row] = f"round {number}, estimate {value:.2g} nats"
    return pool.select("row_id", "source").with_columns(
        score=pl.Series(score).fill_nan(None).cast(pl.Float32),
        told=pl.Series(told.tolist(), dtype=pl.String),
        worth=pl.Series(worth).fill_nan(None).cast(pl.Float32),
        estimate=pl.Series(estimate).fill_nan(None).cast(pl.Float32),
    )
