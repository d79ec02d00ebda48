"""Assets of the files in ``scores/``: one column each, by the kind that the file says (``indicators.declared``).

Belongs here: tables of importance toward a target, of predictability, of sensitivity. Does not: blends (``scores``,
with the families of fixed columns), the arithmetic.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.indicators.declared import DECLARED
from datasel_assets.indicators.predictability import adversarial_filter, predictability, removal_score
from datasel_assets.indicators.sensitivity import sensitivity
from datasel_assets.indicators.text.dsir import Importance, bucket_counts, log_importance
from datasel_assets.recipes.scores import numbers
from datasel_assets.registry.load import Registry
from datasel_assets.specs.score import DSIR, PREDICTABILITY, SENSITIVITY, DsirSpec, PredictabilitySpec, SensitivitySpec
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.pool import read_pool, read_vectors, score_key
from datasel_assets.tables.scores.scores import blend_asset, extreme_rows, score_deps, score_inputs
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.clusters import centroid_distances
from datasel_assets.tables.warehouse import Warehouse

COUNTS = "dsir_counts"
"""N-gram counts of the target and of the pool that the weights of ``dsir/<name>`` are made with."""

COUNTED_ROWS = 65_536
"""Rows that are hashed at once; about ten bytes per byte of their text."""

SOME_SCORE = {"some_rows_have_a_score": "the score is defined for at least one row"}


def declared_assets(name: str, registry: Registry) -> list[Table]:
    """Return the assets of ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    if isinstance(spec, DsirSpec):
        return [_dsir_counts(name, spec), _dsir(name, spec)]
    if isinstance(spec, PredictabilitySpec):
        return [_predictability(name, spec, registry)]
    if isinstance(spec, SensitivitySpec):
        return [_sensitivity(name, spec)]
    return [blend_asset(name, spec, registry.score_keep())]


# ---------------------------------------------------------------------------------------------------------- dsir
def _dsir_counts(name: str, spec: DsirSpec) -> Table:
    key = (COUNTS, name)
    fingerprint = digest([versions.SCORES, spec.n, spec.buckets, spec.sample])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        target = warehouse.lake.version(("targets", spec.target))
        return Expected(
            key, fingerprint, {**warehouse.versions("corpus"), "target": target, "drift": f"{spec.drift:g}"}
        )

    def build(step: Step) -> Built:
        warehouse, lake = step.warehouse, step.warehouse.lake
        target = bucket_counts(_texts(lake.scan(("targets", spec.target)).collect()), spec.n, spec.buckets)
        ids = pl.concat([lake.scan(("corpus", s)).select("row_id") for s in warehouse.active_sources()]).collect()
        sampled = ids[hash_sample(ids["row_id"].to_numpy(), spec.sample, 0)]
        sample = _counted(_corpus_texts(warehouse, sampled), spec)
        stored = lake.info(key)
        moved, pool = None, None
        if stored and stored.fingerprint == fingerprint:
            kept = lake.read_arrays(key)
            # The same rows by their hash then and now, so that what has not changed adds nothing to the drift.
            moved = drift(kept["sample"], sample)
            if moved <= spec.drift:
                pool, sample = kept["pool"], kept["sample"]
        recounted = pool is None
        if pool is None:
            step.log.info("counting the n-grams of the whole pool")
            pool = _counted(_corpus_texts(warehouse), spec)
        content = digest([fingerprint, pool.tobytes().hex(), target.tobytes().hex()])
        arrays = {"target": target, "pool": pool, "sample": sample}
        info = lake.write_arrays(step.expected, arrays, data_version=content)
        return Built(
            info,
            ids.height if recounted else 0,
            0 if recounted else ids.height,
            metadata={
                "counted": _why(moved, spec.drift),
                "drift_bits": 0.0 if moved is None else moved,
                "counts_again_at": spec.drift,
                "ngrams_of_target": int(target.sum()),
                "ngrams_of_pool": int(pool.sum()),
                "target_from_pool_bits": drift(target, pool),
                "target": table_link("targets", spec.target),
            },
            rows_total=ids.height,
        )

    return Table(
        key=key,
        description=(
            f"How often each of {spec.buckets:,} buckets of hashed n-grams comes in the target `{spec.target}` and in "
            f"the pool. The pool is counted again when its n-grams have moved by {spec.drift:g} bits (Jensen-Shannon), "
            "so that a few new rows do not change the weights of all others."
        ),
        group="scores",
        reads=[("corpus",), ("targets", spec.target)],
        expect=expect,
        build=build,
        kinds=frozenset({"safetensors", "numpy"}),
        version=fingerprint,
    )


def _why(moved: float | None, allowed: float) -> str:
    if moved is None:
        return "yes: for the first time"
    return f"yes: the pool has moved by {moved:.3f} bits" if moved > allowed else "no: the pool has hardly moved"


def _dsir(name: str, spec: DsirSpec) -> Table:
    indicator = DECLARED[DSIR]
    made_by = digest([versions.SCORES, indicator.version, spec.n, spec.prior])

    def wanted(warehouse: Warehouse) -> dict[str, str]:
        return {"score": digest([made_by, warehouse.lake.version((COUNTS, name))])}

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        return Expected((DSIR, name, str(source)), columns_fingerprint(wanted(warehouse)), {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        counts = lake.read_arrays((COUNTS, name))
        importance = Importance(counts["target"], counts["pool"], spec.n, spec.prior)
        corpus = lake.scan(("corpus", str(step.source))).select("row_id", "prompt", "response").collect()
        place = dict(zip(corpus["row_id"], range(corpus.height), strict=True))

        def compute(ids: list[str], columns: list[str]) -> pl.DataFrame:
            texts = _texts(corpus[[place[row] for row in ids]])
            return pl.DataFrame({"row_id": ids, "score": log_importance(texts, importance)})

        update = update_columns(
            lake,
            step.expected,
            corpus["row_id"].to_list(),
            wanted(step.warehouse),
            compute,
            shard_rows=COUNTED_ROWS,
            on_shard=step.progress,
        )
        table = lake.scan(step.expected.key).collect()
        facts = _facts(step, table, DSIR, name, {}, step.source)
        checks = {"covers_corpus": Check(table.height == corpus.height, {"rows": corpus.height})}
        return Built.of(update, facts, checks)

    return Table(
        key=(DSIR, name),
        description=(
            f"{spec.doc}\n\nLog importance weight toward `{spec.target}` by hashed 1- to {spec.n}-grams. "
            f"Source: {spec.paper}"
        ),
        group="scores",
        reads=[("corpus",), (COUNTS, name)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one weight for every conversation and no other"},
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=made_by,
        columns={"score": f"{indicator.summary} Keep: {indicator.keep}."},
        lineage={"score": [(("corpus",), "prompt"), (("corpus",), "response")]},
    )


def _texts(rows: pl.DataFrame) -> pl.Series:
    """Return the whole conversation of each row as one text."""
    return rows.select(text=pl.concat_str("prompt", "response", separator="\n"))["text"]


def _corpus_texts(warehouse: Warehouse, only: pl.DataFrame | None = None) -> Iterator[pl.Series]:
    """Yield the texts of the pool, or of the rows ``only``, in blocks."""
    for source in warehouse.active_sources():
        key = ("corpus", source)
        if only is not None:
            scan = warehouse.lake.scan(key).select("row_id", "prompt", "response")
            yield _texts(scan.join(only.lazy(), on="row_id", how="semi").collect())
            continue
        for batch in warehouse.lake.read_batches(key, ["prompt", "response"], rows=COUNTED_ROWS):
            yield _texts(pl.DataFrame(batch))


def _counted(texts: Iterator[pl.Series], spec: DsirSpec) -> np.ndarray:
    counts = np.zeros(spec.buckets, np.int64)
    for block in texts:
        counts += bucket_counts(block, spec.n, spec.buckets)
    return counts


# ------------------------------------------------------------------------------------------------- predictability
def _predictability(name: str, spec: PredictabilitySpec, registry: Registry) -> Table:
    clustered = registry.clustered if spec.label == "cluster" else None
    identity = spec.model_dump(mode="json", exclude={"doc", "paper"})
    fingerprint = digest([versions.SCORES, predictability.version, identity, clustered])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("corpus") | warehouse.versions("representations", spec.representation)
        inputs |= warehouse.versions("clusters", clustered) if clustered else {}
        return Expected((PREDICTABILITY, name), fingerprint, inputs)

    def build(step: Step) -> Built:
        pool = read_pool(step.warehouse, clusters=clustered)
        vectors = read_vectors(step.warehouse, spec.representation, pool).vectors.take(np.arange(pool.height))
        if clustered:
            labels = pool["cluster"].cast(pl.Int64).fill_null(-1).to_numpy()
        else:
            labels = np.unique(pool["source"].to_numpy().astype(np.str_), return_inverse=True)[1]
        ids = pool["row_id"].to_numpy().astype(np.str_)
        splits = {"splits": spec.splits, "train_rows": spec.train_rows, "seed": spec.seed}
        if spec.remove is None:
            accuracy, rounds = predictability(vectors, labels, ids, **splits), np.zeros(pool.height, np.int64)
        else:
            accuracy, rounds = adversarial_filter(
                vectors, labels, ids, spec.remove, spec.threshold, spec.leave, **splits
            )
        known = np.isfinite(accuracy)
        commonest = np.bincount(labels[known]).max() / known.sum() if known.any() else np.nan
        facts = {
            "mean_accuracy": float(np.mean(accuracy[known])) if known.any() else float("nan"),
            "rounds_of_removal": int(rounds.max(initial=0)),
            "rows_removed": int(np.count_nonzero(rounds)),
            "share_of_the_commonest_label": float(commonest),
            "labels": len(np.unique(labels[labels >= 0])),
            "representation": table_link("representations", spec.representation),
        }
        found = removal_score(accuracy, rounds)
        return _publish(step, pool, PREDICTABILITY, name, found, facts, more={"accuracy": accuracy, "round": rounds})

    return Table(
        key=(PREDICTABILITY, name),
        description=(
            f"{spec.doc}\n\nHow often a linear classifier on the vectors of `{spec.representation}` that was not "
            f"trained on a row finds its {spec.label}. A statistic of the whole pool: made again for all rows when any "
            f"row, vector or label changes. Source: {spec.paper}"
        ),
        group="scores",
        reads=[("corpus",), ("duplicates",), ("representations", spec.representation)]
        + ([("clusters", clustered)] if clustered else []),
        expect=expect,
        build=build,
        checks=SOME_SCORE,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={
            "score": f"{predictability.summary} Keep: {predictability.keep}.",
            "accuracy": "The same in the last round that the row took part in; without rounds it is the score.",
            "round": "The round in which the row was removed; 0: it was not.",
        },
        lineage={
            "score": [
                (("representations", spec.representation), "vector"),
                (("clusters", clustered), "cluster") if clustered else (("corpus",), "source"),
            ]
        },
    )


# ---------------------------------------------------------------------------------------------------- sensitivity
def _sensitivity(name: str, spec: SensitivitySpec) -> Table:
    identity = spec.model_dump(mode="json", exclude={"doc", "paper"})
    fingerprint = digest([versions.SCORES, sensitivity.version, identity])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("corpus") | warehouse.versions("clusters", spec.representation)
        return Expected((SENSITIVITY, name), fingerprint, inputs | score_inputs(warehouse, [spec.loss]))

    def build(step: Step) -> Built:
        pool = read_pool(step.warehouse, clusters=spec.representation, scores=[spec.loss])
        clusters = pool["cluster"].cast(pl.Int64).fill_null(-1).to_numpy()
        distance = centroid_distances(step.warehouse, spec.representation, pool)
        loss = numbers(pool, spec.loss)
        found = sensitivity(clusters, distance, loss, spec.distance_weight)
        spread = spec.distance_weight * 2.0 * distance
        # What the loss does not explain is distance; a share near 0 or 1 says that one term decides alone.
        facts = {
            "mean_share_of_distance": float(np.nanmean(spread / np.exp(found))) if np.isfinite(found).any() else 0.0,
            "clusters": table_link("clusters", spec.representation),
        }
        return _publish(step, pool, SENSITIVITY, name, found, facts, {spec.loss: loss, "distance": distance})

    return Table(
        key=(SENSITIVITY, name),
        description=(
            f"{spec.doc}\n\nLog of {spec.loss} at the row nearest to the centre of the row's cluster plus "
            f"{spec.distance_weight:g} times its squared distance from there. Made again for all rows when any of them "
            f"changes. Source: {spec.paper}"
        ),
        group="scores",
        reads=[("corpus",), ("duplicates",), ("clusters", spec.representation), *score_deps([spec.loss])],
        expect=expect,
        build=build,
        checks=SOME_SCORE,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={"score": f"{sensitivity.summary} Keep: {sensitivity.keep}."},
        lineage={
            "score": [
                (("clusters", spec.representation), "distance"),
                *([(score_key(spec.loss), spec.loss.partition(".")[2])] if "." in spec.loss else []),
            ]
        },
    )


def _publish(
    step: Step,
    pool: pl.DataFrame,
    family: str,
    name: str,
    values: np.ndarray,
    facts: Mapping[str, Any],
    beside: Mapping[str, np.ndarray] | None = None,
    more: Mapping[str, np.ndarray] | None = None,
) -> Built:
    """Publish one column over the whole pool, with ``more`` columns to read, and ``beside`` in its picture."""
    known = int(np.isfinite(values).sum())
    if not known:
        raise ValueError(f"scores/{name}.yaml: the score is defined for none of {len(values):,} rows; not published")
    table = pool.select("row_id", "source").with_columns(score=pl.Series(values).cast(pl.Float32), **dict(more or {}))
    info = step.warehouse.lake.write(step.expected, table)
    facts = {**facts, **_facts(step, table, family, name, beside or {})}
    return Built(info, table.height, metadata=facts, checks={next(iter(SOME_SCORE)): Check(known > 0, {"rows": known})})


def _facts(
    step: Step,
    table: pl.DataFrame,
    family: str,
    name: str,
    beside: Mapping[str, np.ndarray],
    source: str | None = None,
) -> dict[str, Any]:
    values = table["score"].to_numpy()
    shown = {f"{family}.{name}": values, **beside}
    return {
        "rows_without_score": int(np.isnan(values).sum()),
        "plot: scores": picture(plots.score_grid(shown, f"{family}.{name}"), f"distribution of {name}"),
        "rows": extreme_rows(step.warehouse, table, {"score": DECLARED[family].keep}, source),
    }
