"""The table of how near the vectors of question and answer are. Not here: the vectors (``vectors.side_embeddings``)."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.diagnostics import plots
from datasel_assets.indicators import pair_similarity as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.score import PairSimilaritySpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.side_embeddings import SIDES, side_key
from datasel_assets.tables.warehouse import Warehouse

KIND = maths.KIND
PAIR_SIMILARITY = Kind(KIND.name, version=KIND.version, per="source")
MADE_BY = digest([PAIR_SIMILARITY.version, maths.pair_similarity.version])


def pair_similarity_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, PairSimilaritySpec)
    vectors = side_key(spec.encoder)
    table = RowTable(
        rows_of=vectors,
        wants=partial(_wants, vectors),
        work=lambda step: Work(score_schema(["score"]), list(SIDES)),
        compute=compare,
        facts=partial(_facts, name, vectors),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=PAIR_SIMILARITY,
        key=(PAIR_SIMILARITY.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper or 'not stated'}",
        group="scores",
        reads=[("corpus",), vectors],
        checks={"covers_corpus": "one line for every conversation and no other"},
        kinds=frozenset({"parquet", "numpy"}),
        version=MADE_BY,
        columns={"score": f"{maths.pair_similarity.summary} Keep: {maths.pair_similarity.keep}."},
        lineage={"score": [(vectors, side) for side in SIDES]},
    )
    return [table]


def _wants(vectors: tuple[str, ...], warehouse: Warehouse, source: str | None) -> Wanted:
    info = warehouse.lake.info((*vectors, str(source)))
    return Wanted(digest([MADE_BY, info.fingerprint if info else "missing"]))


def compare(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the cosine of both vectors of each row."""
    prompts, responses = (vectors_of(rows[side]) for side in SIDES)
    found = maths.pair_similarity(prompts, responses).astype(np.float32)
    return pa.table({"row_id": rows["row_id"].to_arrow(), "score": pa.array(found)})


def _facts(name: str, vectors: tuple[str, ...], step: Step, update: Update) -> dict[str, Any]:
    table = step.warehouse.lake.scan(step.expected.key).select("row_id", "score").collect()
    title = f"{KIND.name}.{name}"
    return {
        "vectors": table_link(*vectors),
        "rows_without_score": int((table["score"].is_null() | table["score"].is_nan()).sum()),
        "plot: scores": picture(plots.score_grid({title: table["score"].to_numpy()}, title), f"distribution of {name}"),
        "rows": extreme_rows(step.warehouse, table, {"score": maths.pair_similarity.keep}, step.source),
    }
