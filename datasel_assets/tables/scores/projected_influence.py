"""Influence by the stored table of gradients, divided by its Gram matrix: TRAK and DsDm.

Belongs here: directions in the space of the stored gradients, and rows compared with them. Does not belong here: exact
influence (``influence``), the gradients (``vectors.gradients``), the arithmetic (``models.gram``).

A stored gradient has length 1, and the length of the whole gradient stands beside it: their product is what the Gram
matrix is made of. It is that of the whole pool, so a new row gives all others a new value; no model is run for that.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators import influence as maths
from datasel_assets.models.gram import Gram
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.storage.vectors import vector_block, vectors_of
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.influence_targets import (
    BEYOND,
    INFLUENCE_TARGETS,
    JUDGES,
    aim_of,
    aim_reads,
    comparison,
    directions_of,
    judges,
    said_of,
    scored,
)
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.curvature import Differentiated
from datasel_assets.tables.vectors.gradients import COLUMN, GRADIENTS, NORM, columns_of, target_key
from datasel_assets.tables.warehouse import Warehouse

BLOCK_ROWS = 4096


def projected_directions(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    """Return the table of directions of the file ``scores/<name>.yaml``."""
    bent = own.spec.curvature
    sampled = [bent.rows, bent.seed] if spec.toward == "held_out" else []
    fingerprint = digest([INFLUENCE_TARGETS.version, *own.identity, said_of(spec), bent.damping, *sampled])
    stored = (GRADIENTS.name, own.name)
    examples = [target_key(own.name, spec.target)] if spec.target is not None else []

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {**aim_of(spec, own, warehouse), **warehouse.versions(*stored)}
        inputs |= {"/".join(key): warehouse.lake.version(key) for key in examples}
        return Expected((INFLUENCE_TARGETS.name, name), fingerprint, inputs)

    return Table(
        kind=INFLUENCE_TARGETS,
        key=(INFLUENCE_TARGETS.name, name),
        description=(
            f"The stored gradients of the examples of {spec.aim}, divided by the Gram matrix of those of the pool"
            + (", one direction for each task." if spec.reduce == "max" else ", their mean.")
        ),
        group="scores",
        reads=[*aim_reads(spec), stored, *examples],
        expect=expect,
        build=partial(_build, spec, own),
        kinds=frozenset({"safetensors", "numpy"}),
        version=fingerprint,
    )


def projected_score(name: str, spec: InfluenceSpec, own: Differentiated) -> RowTable:
    """Return how the score of each row is made from its stored gradient."""
    directions = (INFLUENCE_TARGETS.name, name)
    return RowTable(
        rows_of=(GRADIENTS.name, own.name),
        wants=partial(_wants, spec, own, directions),
        work=partial(_work, spec, own, directions),
        compute=compare_stored,
        load=load_stored,
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    )


def _build(spec: InfluenceSpec, own: Differentiated, step: Step) -> Built:
    warehouse, cosine = step.warehouse, spec.similarity == "cosine"
    aims = judges(spec, own, warehouse) if spec.toward != "pool" else None
    arrays, names, beyond, meta, rows = {}, [], [], {}, 0
    for number, (vector, norm) in enumerate(zip(columns_of(own, COLUMN), columns_of(own, NORM), strict=True)):
        gram = None
        for block in _pool(warehouse, own, vector, norm):
            gram = gram or Gram(block.shape[1])
            gram.add(block)
        assert gram is not None, "the table of gradients has rows"
        if aims is None:
            tasks, examples = [""], gram.mean[None]
        else:
            tasks, examples = aims["task"].to_list(), _of(warehouse, spec, own, aims["row_id"], vector, norm)
        found = maths.Directions(tasks, examples.shape[1], cosine=cosine, by_task=spec.reduce == "max")
        found.add(gram.divide(examples, own.spec.curvature.damping))
        arrays[directions_of(number)], names, rows = found.done(), found.names, gram.rows
        beyond.append(float(arrays[directions_of(number)][0].astype(np.float64) @ gram.mean))
    meta = {"names": names}
    if spec.toward == "held_out" and aims is not None:
        meta[JUDGES] = aims["row_id"].to_list()
    if spec.toward == "pool" and not cosine:
        meta[BEYOND] = beyond
    info = warehouse.lake.write_arrays(step.expected, arrays, meta=meta)
    count = 1 if aims is None else aims.height
    shown = {"directions": len(names), "numbers": arrays["directions"].shape[1], "rows_of_the_gram_matrix": rows}
    return Built(info, count, metadata=shown, rows_total=count)


def _pool(warehouse: Warehouse, own: Differentiated, vector: str, norm: str) -> Iterator[np.ndarray]:
    """Yield the stored gradients of the pool (m, d) with their lengths, float64, by source and place."""
    for source in warehouse.active_sources():
        key = (GRADIENTS.name, own.name, source)
        for batch in warehouse.lake.read_batches(key, [vector, norm], rows=BLOCK_ROWS):
            lengths = np.nan_to_num(batch.column(1).to_numpy(zero_copy_only=False).astype(np.float64))
            yield vector_block(batch.column(0)).astype(np.float64) * lengths[:, None]


def _of(
    warehouse: Warehouse, spec: InfluenceSpec, own: Differentiated, ids: pl.Series, vector: str, norm: str
) -> np.ndarray:
    """Return the stored gradients (m, d) of rows of the target or of the pool with their lengths, by ``ids``."""
    keys: list[Key] = [(GRADIENTS.name, own.name, source) for source in warehouse.active_sources()]
    keys = [target_key(own.name, spec.target)] if spec.target is not None else keys
    wanted = pl.col("row_id").is_in(ids.implode())
    found = pl.concat(warehouse.lake.scan(key).filter(wanted).select("row_id", vector, norm) for key in keys).collect()
    rows = ids.to_frame("row_id").join(found, on="row_id", how="left", maintain_order="left")
    lengths = rows[norm].cast(pl.Float64).fill_null(0.0).to_numpy()
    return vectors_of(rows[vector]).astype(np.float64) * lengths[:, None]


def _wants(
    spec: InfluenceSpec, own: Differentiated, directions: Key, warehouse: Warehouse, source: str | None
) -> Wanted:
    info = warehouse.lake.info((GRADIENTS.name, own.name, str(source)))
    made_by = [maths.influence.version, spec.similarity, spec.checkpoint_weights]
    read = [info.fingerprint if info else "missing", warehouse.lake.version(directions)]
    versions = {"score": digest([*made_by, *read])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(spec: InfluenceSpec, own: Differentiated, directions: Key, step: Step) -> Work:
    info = step.warehouse.lake.require(directions)
    columns = list(zip(columns_of(own, COLUMN), columns_of(own, NORM), strict=True))
    arguments = {
        "directions": list(directions),
        "version": info.data_version,
        "columns": columns,
        **comparison(spec, own, step.warehouse, info),
    }
    return Work(score_schema(["score"]), [name for pair in columns for name in pair], arguments)


def load_stored(warehouse: Warehouse, directions: list[str], version: str, **_: Any) -> list[np.ndarray]:
    """Load the directions of each checkpoint; ``version`` only says which these were."""
    arrays = warehouse.lake.read_arrays(tuple(directions))
    return [arrays[directions_of(number)].astype(np.float64) for number in range(len(arrays))]


def compare_stored(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the influence of rows of a table of gradients."""
    found = []
    for (vector, norm), directions in zip(context.arguments["columns"], context.loaded, strict=True):
        lengths = rows[norm].cast(pl.Float64).to_numpy()
        products = vectors_of(rows[vector]).astype(np.float64) * lengths[:, None] @ directions.T
        found.append((products, lengths))
    return scored(rows["row_id"], found, context.arguments)
