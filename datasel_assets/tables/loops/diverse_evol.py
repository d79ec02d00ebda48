"""DiverseEvol: k-center over the states of a model that is trained on what was chosen so far (arXiv 2311.08182).

Belongs here: the table, and carrying the rounds out. Does not: k-center (``samplers.kcenter``), the training
(``trained``).
"""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.registry.registry import Registry
from datasel_assets.samplers import kcenter
from datasel_assets.samplers.candidates import Candidates
from datasel_assets.specs.loop import DiverseEvolSpec
from datasel_assets.tables.loops.outcome import publish
from datasel_assets.tables.loops.trained import BACKWARD, LoopTraining, held_out_rows, trained_loop_table
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.table import Built, Check, Graph, Step, Table


def diverse_evol_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the table of the file ``loops/<name>.yaml``."""
    spec = registry.loops[name]
    assert isinstance(spec, DiverseEvolSpec)
    return [
        trained_loop_table(
            name,
            spec,
            registry,
            graph,
            about=(
                f"`{spec.model}` trained {spec.rounds} times on what was chosen so far, beginning with {spec.first} "
                f"rows; after each training the {spec.per_round} rows are added whose states lie farthest from those "
                f"of the chosen ones, among {spec.candidates:,} candidates."
            ),
            build=partial(_build, spec),
            columns={
                "score": "How early the row was chosen: 1 for the first, less for later ones; null: it was not.",
                "told": "The round, and how far the row lay from the nearest one chosen before, in words.",
                "distance": "That distance; null for the first rows and for rows that were not chosen.",
            },
        )
    ]


def _build(spec: DiverseEvolSpec, step: Step) -> Built:
    pool = read_pool(step.warehouse)
    held_out = held_out_rows(pool, spec.held_out, spec.seed)
    answered = (pool["n_response_tokens"] > 0).to_numpy()
    able = np.flatnonzero(pool["duplicate_of"].is_null().to_numpy() & answered & ~held_out)
    able = able[hash_sample(pool["row_id"].to_numpy()[able], spec.candidates, spec.seed)]
    if len(able) < 2:
        raise ValueError(f"{step.stage}: {len(able)} rows with a response can be chosen, and it needs two")
    training = LoopTraining(step, spec, pool, held_out, offline=0, restarts=spec.fresh)
    # The hash sample is in a random order already.
    state: dict[str, Any] = {"chosen": able[: spec.first].tolist(), "distance": [None] * min(spec.first, len(able))}
    done, shown = 0, {}
    if (found := training.resume()) is not None:
        done, state = found["done"], dict(found["state"])
    else:
        seen = sum(spec.first + k * spec.per_round for k in range(spec.rounds)) * spec.epochs
        shown = training.announce(seen + spec.rounds * len(able) // BACKWARD, able)
        training.measure(0, spec.rounds)
    while done < spec.rounds and len(state["chosen"]) < len(able):
        training.train_whole(np.array(state["chosen"]), spec.epochs, fresh=spec.fresh)
        _add(spec, pool, training, able, state)
        done += 1
        training.measure(done, spec.rounds)
        training.save({"done": done, "state": state})
        step.progress(done, spec.rounds)
    rows = _rows(spec, pool, able, state)
    info = publish(step, rows, training.rounds_frame(), meta={"rows_read": training.passes})
    shown |= training.shown() | training.loss_shown()
    training.finish()
    chosen = rows["score"].count()
    checks = {"some_rows_were_chosen": Check(chosen > 0, {"rows": chosen})}
    return Built(info, pool.height, metadata={**shown, "rounds": done, "rows_chosen": chosen}, checks=checks)


def _add(
    spec: DiverseEvolSpec, pool: pl.DataFrame, training: LoopTraining, able: np.ndarray, state: dict[str, Any]
) -> None:
    """Add the rows of a round to those that were chosen."""
    vectors = training.vectors(able)
    ids = pool["row_id"].to_numpy().astype(np.str_)[able]
    existing = tuple(pool["row_id"].gather(state["chosen"]).to_list())
    candidates = Candidates(ids, vectors=ArrayVectors(vectors))
    picked = kcenter.sample(candidates, spec.per_round, kcenter.Params(existing=existing), spec.seed)
    state["chosen"] += able[picked.order].tolist()
    state["distance"] += np.asarray(picked.scores, np.float64).tolist()


def _rows(spec: DiverseEvolSpec, pool: pl.DataFrame, able: np.ndarray, state: dict[str, Any]) -> pl.DataFrame:
    """Return a line for every row of the pool."""
    score, distance = np.full((2, pool.height), np.nan)
    told = np.full(pool.height, "it repeats another row, has no response, or is no candidate", dtype=object)
    told[able] = "others lay farther from the chosen rows in each round"
    chosen = state["chosen"]
    for place, (row, far) in enumerate(zip(chosen, state["distance"], strict=True)):
        score[row] = 1 - place / len(chosen)
        distance[row] = np.nan if far is None else far
        number = 1 + (place - spec.first) // spec.per_round
        told[row] = "among the first" if far is None else f"round {number}, {far:.3g} away from the chosen rows"
    return pool.select("row_id", "source").with_columns(
        score=pl.Series(score).fill_nan(None).cast(pl.Float32),
        told=pl.Series(told.tolist(), dtype=pl.String),
        distance=pl.Series(distance).fill_nan(None).cast(pl.Float32),
    )
