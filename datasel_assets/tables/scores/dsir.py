"""Importance of rows toward a target by hashed n-grams (DSIR): frozen counts of target and pool, a weight per row.

Belongs here: both tables, and when the pool is counted again. Does not belong here: features, counts and weights
(``indicators.text.dsir``), the measure of drift.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.indicators.text import dsir as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

KIND = maths.KIND
DSIR = Kind(KIND.name, version=KIND.version, per="source")
DSIR_COUNTS = Kind("dsir_counts")
"""N-gram counts of the target and of the pool that the weights of ``dsir/<name>`` are made with."""

BLOCK_ROWS = 65_536
"""Rows whose n-grams are hashed at once; about ten bytes per byte of their text."""


def dsir_tables(name: str, registry: Registry) -> list[Table]:
    """Return the counts and the weights of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, maths.DsirSpec)
    return [_counts(name, spec), _weights(name, spec)]


# -------------------------------------------------------------------------------------------------------- counts
def _counts(name: str, spec: maths.DsirSpec) -> Table:
    fingerprint = digest([DSIR_COUNTS.version, spec.n, spec.buckets, spec.sample])
    return Table(
        kind=DSIR_COUNTS,
        key=(DSIR_COUNTS.name, name),
        description=(
            f"How often each of {spec.buckets:,} buckets of hashed n-grams comes in the target `{spec.target}` and in "
            f"the pool. The pool is counted again when its n-grams have moved by {spec.drift:g} bits (Jensen-Shannon), "
            "so that a few new rows do not change the weights of all others."
        ),
        group="scores",
        reads=[("corpus",), ("targets", spec.target)],
        expect=partial(_expect_counts, name, spec, fingerprint),
        build=partial(_build_counts, spec),
        kinds=frozenset({"safetensors", "numpy"}),
        version=fingerprint,
    )


def _expect_counts(
    name: str, spec: maths.DsirSpec, fingerprint: str, warehouse: Warehouse, source: str | None
) -> Expected:
    target = warehouse.lake.version(("targets", spec.target))
    inputs = {**warehouse.versions("corpus"), "target": target, "drift": f"{spec.drift:g}"}
    return Expected((DSIR_COUNTS.name, name), fingerprint, inputs)


def _build_counts(spec: maths.DsirSpec, step: Step) -> Built:
    warehouse, lake, expected = step.warehouse, step.warehouse.lake, step.expected
    target = _counted([_texts(lake.scan(("targets", spec.target)).collect())], spec)
    rows = sum(lake.require(("corpus", source)).rows for source in warehouse.active_sources())
    sample = _counted(_sample(warehouse, spec.sample), spec)
    stored = lake.info(expected.key)
    kept = lake.read_arrays(expected.key) if stored and stored.fingerprint == expected.fingerprint else None
    # The same rows by their hash then and now, so that what has not changed adds nothing to the drift.
    moved = None if kept is None else drift(kept["sample"], sample)
    if kept is None or moved is None or moved > spec.drift:
        step.log.info("counting the n-grams of the whole pool")
        again, pool = True, _counted(_corpus_texts(warehouse), spec)
    else:
        again, pool, sample = False, kept["pool"], kept["sample"]
    content = digest([expected.fingerprint, pool.tobytes().hex(), target.tobytes().hex()])
    info = lake.write_arrays(expected, {"target": target, "pool": pool, "sample": sample}, data_version=content)
    facts = {
        "counted": _why(moved, spec.drift),
        "drift_bits": 0.0 if moved is None else moved,
        "counts_again_at": spec.drift,
        "ngrams_of_target": int(target.sum()),
        "ngrams_of_pool": int(pool.sum()),
        "target_from_pool_bits": drift(target, pool),
        "target": table_link("targets", spec.target),
    }
    return Built(info, rows if again else 0, 0 if again else rows, metadata=facts, rows_total=rows)


def _why(moved: float | None, allowed: float) -> str:
    if moved is None:
        return "yes: for the first time"
    return f"yes: the pool has moved by {moved:.3f} bits" if moved > allowed else "no: the pool has hardly moved"


def _texts(rows: pl.DataFrame) -> pl.Series:
    """Return the whole conversation of each row as one text."""
    return rows.select(text=pl.concat_str("prompt", "response", separator="\n"))["text"]


def _corpus_texts(warehouse: Warehouse) -> Iterator[pl.Series]:
    """Yield the texts of the pool in blocks."""
    for source in warehouse.active_sources():
        for batch in warehouse.lake.read_batches(("corpus", source), ["prompt", "response"], rows=BLOCK_ROWS):
            yield _texts(pl.DataFrame(batch))


def _sample(warehouse: Warehouse, rows: int) -> Iterator[pl.Series]:
    """Yield the texts of so many rows of the pool, chosen by the hashes of their ids."""
    scans = {source: warehouse.lake.scan(("corpus", source)) for source in warehouse.active_sources()}
    ids = pl.concat([scan.select("row_id") for scan in scans.values()]).collect()
    chosen = ids[hash_sample(ids["row_id"].to_numpy(), rows, 0)].lazy()
    for scan in scans.values():
        yield _texts(scan.select("row_id", "prompt", "response").join(chosen, on="row_id", how="semi").collect())


def _counted(texts: Iterator[pl.Series] | list[pl.Series], spec: maths.DsirSpec) -> np.ndarray:
    counts = np.zeros(spec.buckets, np.int64)
    for block in texts:
        counts += maths.bucket_counts(block, spec.n, spec.buckets)
    return counts


# ------------------------------------------------------------------------------------------------------- weights
def _weights(name: str, spec: maths.DsirSpec) -> Table:
    made_by = digest([DSIR.version, maths.dsir_log_ratio.version, spec.n, spec.prior])
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, name, made_by),
        work=partial(_work, name, spec),
        compute=weigh,
        load=load_importance,
        facts=partial(_facts, name),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=DSIR,
        key=(DSIR.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[("corpus",), (DSIR_COUNTS.name, name)],
        checks={"covers_corpus": "one weight for every conversation and no other"},
        kinds=frozenset({"parquet", "numpy"}),
        version=made_by,
        columns={"score": f"{maths.dsir_log_ratio.summary} Keep: {KIND.keep}."},
        lineage={"score": [(("corpus",), "prompt"), (("corpus",), "response")]},
    )


def _wants(name: str, made_by: str, warehouse: Warehouse, source: str | None) -> Wanted:
    versions = {"score": digest([made_by, warehouse.lake.version((DSIR_COUNTS.name, name))])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(name: str, spec: maths.DsirSpec, step: Step) -> Work:
    counts = step.warehouse.lake.require((DSIR_COUNTS.name, name))
    arguments = {"name": name, "n": spec.n, "prior": spec.prior, "counts": counts.data_version}
    return Work(score_schema(["score"]), ["prompt", "response"], arguments)


def load_importance(warehouse: Warehouse, name: str, n: int, prior: float, counts: str) -> maths.Importance:
    """Load the log ratios of the buckets; ``counts`` only says which counts they are made from."""
    arrays = warehouse.lake.read_arrays((DSIR_COUNTS.name, name))
    return maths.Importance(arrays["target"], arrays["pool"], n, prior)


def weigh(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the log importance weight of conversations."""
    return rows.select("row_id", score=pl.Series(maths.log_importance(_texts(rows), context.loaded)).cast(pl.Float32))


def _facts(name: str, step: Step, update: Update) -> dict[str, Any]:
    table = step.warehouse.lake.scan(step.expected.key).select("row_id", "score").collect()
    values, title = table["score"].to_numpy(), f"{KIND.name}.{name}"
    return {
        "rows_without_score": int(np.isnan(values).sum()),
        "plot: scores": picture(plots.score_grid({title: values}, title), f"distribution of {name}"),
        "rows": extreme_rows(step.warehouse, table, {"score": maths.dsir_log_ratio.keep}, step.source),
    }
