"""Assets from files to conversations: raw_corpus, corpus, duplicates, targets."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.corpus import (
    CORPUS_SCHEMA,
    QUARANTINE_SCHEMA,
    IngestSummary,
    exact_duplicates,
    ingest,
)
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.text import clean
from datasel_assets.models.tokens import TokenCounter
from datasel_assets.specs.source import Located, SourceSpec
from datasel_assets.specs.target import TargetSpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.readers import Snapshot, SourceError, read_rows, snapshot
from datasel_assets.storage.release.licences import UNKNOWN
from datasel_assets.tables import versions
from datasel_assets.tables.shown import counts_table, picture, sample_table
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

TOKENIZER = "sentence-transformers/all-MiniLM-L6-v2"
"""Counts tokens of the corpus. One tokenizer for all sources, so that token budgets mean the same everywhere."""

RAW_SCHEMA = {
    "uri": pl.String,
    "path": pl.String,
    "bytes": pl.Int64,
    "digest": pl.String,
}


def source_assets() -> list[Table]:
    """Return the assets that do not depend on any registry file but the sources."""
    return [_raw_corpus(), _corpus(), _duplicates()]


def take_snapshot(warehouse: Warehouse, source: str) -> tuple[SourceSpec, Snapshot]:
    """Find the files of a source; files that have not been touched since the last time are not hashed again.

    Raises:
        SourceError: the source has no valid registry file, or its files cannot be found.
    """
    spec = warehouse.registry.sources.get(source)
    if spec is None:
        problem = warehouse.registry.errors.get(f"sources/{source}.yaml")
        raise SourceError(problem or f"source {source!r} has no file in {warehouse.settings.data / 'sources'}")
    cache = warehouse.settings.warehouse / "_cache"
    return spec, snapshot(spec, source, warehouse.settings.data, cache)


def licences(warehouse: Warehouse) -> dict[str, str]:
    """Return active source -> licence, as its file said it when it could last be read."""
    found = {name: warehouse.lake.info(("raw_corpus", name)) for name in warehouse.active_sources()}
    return {name: info.inputs.get("licence", UNKNOWN) for name, info in found.items() if info}


@lru_cache(maxsize=1)
def token_counter() -> TokenCounter:
    """Return the token counter of the corpus, loaded once per process."""
    return TokenCounter(TOKENIZER)


def _raw_corpus() -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        spec, found = take_snapshot(warehouse, str(source))
        inputs = {"content": found.fingerprint, "licence": spec.licence or UNKNOWN}
        return Expected(("raw_corpus", str(source)), digest([versions.READERS]), inputs)

    def build(step: Step) -> Built:
        spec, found = take_snapshot(step.warehouse, str(step.source))
        rows = [(f.uri, str(f.path), f.bytes, f.digest) for f in found.files]
        files = pl.DataFrame(rows, schema=RAW_SCHEMA, orient="row")
        # What reads the rows is not made anew for another licence; releases look for it with :func:`licences`.
        version = digest([step.expected.fingerprint, {"content": found.fingerprint}])
        info = step.warehouse.lake.write(step.expected, files, data_version=version)
        notes = [file.note for file in found.files if file.note]
        return Built(
            info,
            len(found.parts),
            metadata={
                "uri": ", ".join(spec.uris),
                "licence": spec.licence or "not stated",
                "megabytes": round(found.bytes / 1e6, 3),
                "content": found.fingerprint,
                "files": sample_table(files, ["uri", "bytes", "digest"], rows=20),
                "notes": "; ".join(notes) or "none",
            },
            rows_total=len(found.parts),
        )

    return Table(
        key=("raw_corpus",),
        description="The files of a source as they are now: found, fetched where they are remote, and hashed.",
        group="sources",
        expect=expect,
        build=build,
        per="source",
        kinds=frozenset({"file"}),
        version=versions.READERS,
        refreshed_daily=True,
        fetches=True,
    )


def _corpus() -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        spec = warehouse.registry.sources.get(str(source))
        options = _ingest_identity(spec) if spec else []
        inputs = {"raw_corpus": warehouse.lake.version(("raw_corpus", str(source)))}
        return Expected(("corpus", str(source)), digest([versions.CORPUS, options, token_counter().identity]), inputs)

    def build(step: Step) -> Built:
        source, lake = str(step.source), step.warehouse.lake
        spec, found = take_snapshot(step.warehouse, source)
        before = set(_row_ids(lake, step.expected)) if lake.info(step.expected.key) else set()
        summary, ids = _ingest(lake, step.expected, source, spec, found, spec.max_quarantined_share)
        assert summary.detection is not None or not summary.rows_in
        table = lake.scan(step.expected.key)
        quarantine = lake.scan(("quarantine", source)).head(5).collect()
        counts = table.select("n_tokens", "n_response_tokens").collect()
        info = lake.require(step.expected.key)
        kept = set(ids)
        return Built(
            info,
            len(kept - before),
            len(kept & before),
            len(before - kept),
            {
                "format": summary.detection.format if summary.detection else "none",
                "columns_detected": summary.detection.evidence if summary.detection else "no rows",
                "rows_in": summary.rows_in,
                "rows_quarantined": summary.quarantined,
                **_quarantine(summary, quarantine),
                "plot: lengths": picture(
                    plots.token_histogram({source: counts["n_tokens"].to_numpy()}), "tokens per row"
                ),
                "sample": sample_table(table.head(5).collect(), ["n_turns", "prompt", "response"]),
                "tokens": int(counts["n_tokens"].sum() or 0),
                "response_tokens": int(counts["n_response_tokens"].sum() or 0),
            },
            {
                "rows_accounted": Check(
                    summary.rows_in == summary.kept + summary.quarantined == info.rows + summary.quarantined,
                    {"rows_in": summary.rows_in, "kept": info.rows, "quarantined": summary.quarantined},
                ),
                "unique_ids": Check(len(kept) == len(ids), {"rows": len(ids), "distinct": len(kept)}),
                "schema": Check(pa.schema(CORPUS_SCHEMA).names == table.collect_schema().names()),
                "quarantine_share": Check(
                    summary.quarantined_share <= spec.max_quarantined_share,
                    {"share": summary.quarantined_share, "allowed": spec.max_quarantined_share},
                ),
            },
        )

    return Table(
        key=("corpus",),
        description=(
            "Conversations in one schema, whatever the format of the source; ids do not depend on the order of rows or "
            "files. Rows that cannot become a conversation stand in the quarantine with position and reason."
        ),
        group="sources",
        reads=[("raw_corpus",)],
        expect=expect,
        build=build,
        checks={
            "rows_accounted": "rows read = rows kept + rows quarantined",
            "unique_ids": "every row id occurs once",
            "schema": "the columns are those of the corpus schema",
            "quarantine_share": "the share of unreadable rows is below the limit in the source's file",
        },
        per="source",
        kinds=frozenset({"parquet", "polars"}),
        version=versions.CORPUS,
        refreshed_daily=True,
    )


def _quarantine(summary: IngestSummary, rows: pl.DataFrame) -> dict[str, Any]:
    """Show why rows were refused, where any were."""
    if rows.is_empty():
        return {}
    return {
        "quarantine_reasons": counts_table(dict(summary.top_reasons()), "reason", "rows"),
        "quarantine_sample": sample_table(rows, ["position", "reason", "raw"]),
    }


def _duplicates() -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return Expected(("duplicates",), digest([versions.DUPLICATES]), warehouse.versions("corpus"))

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        sources = step.warehouse.active_sources()
        columns = ["row_id", "source", "content_hash"]
        frames = [lake.scan(("corpus", source)).select(columns) for source in sources]
        pool = pl.concat(frames).collect() if frames else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        found = exact_duplicates(pool)
        info = lake.write(step.expected, found)
        origin = found.join(pool.select("row_id", "source"), on="row_id").join(
            pool.select(duplicate_of="row_id", of_source="source"), on="duplicate_of"
        )
        pairs = origin.group_by("source", "of_source").len("rows").sort("rows", descending=True)
        return Built(
            info,
            found.height,
            metadata={
                "pool_rows": pool.height,
                "duplicates": found.height,
                "share_of_pool": round(found.height / max(pool.height, 1), 5),
                "by_source": sample_table(pairs, ["source", "of_source", "rows"], rows=20),
            },
            checks={
                "representatives_stay": Check(
                    not found["duplicate_of"].is_in(found["row_id"].implode()).any(), {"duplicates": found.height}
                )
            },
        )

    return Table(
        key=("duplicates",),
        description=(
            "Rows whose conversation another row of the pool has (equal up to white space and Unicode form), each with "
            "the row that stands for it: the first by source and id."
        ),
        group="pool",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        checks={"representatives_stay": "no row that stands for others is itself listed as a duplicate"},
        kinds=frozenset({"parquet", "polars"}),
        version=versions.DUPLICATES,
    )


def target_asset(name: str) -> Table:
    """Return the asset that reads the examples of one target."""

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        spec, found = _target(warehouse, name)
        drawn = [spec.rows, spec.seed, spec.task_key]
        identity = [versions.CORPUS, _ingest_identity(spec), drawn, token_counter().identity]
        return Expected(("targets", name), digest(identity), {"content": found.fingerprint})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        spec, found = _target(step.warehouse, name)
        result = ingest(
            read_rows(found, spec), source=name, count_tokens=token_counter().count, **spec.ingest_options()
        )
        frames = [pl.from_arrow(batch.corpus) for batch in result]
        rows = pl.concat(frames) if frames else pl.DataFrame()  # type: ignore[arg-type]
        if rows.is_empty():
            reasons = "; ".join(f"{reason} ({count})" for reason, count in result.summary.top_reasons())
            raise SourceError(f"target {name}: none of its {result.summary.rows_in} rows can be used: {reasons}")
        if spec.rows:
            rows = rows[np.sort(hash_sample(rows["row_id"].to_list(), spec.rows, spec.seed))]
        named = zip(rows["row_id"], rows["extra"], strict=True)
        tasks = [str(json.loads(extra).get(spec.task_key, row)) for row, extra in named]
        rows = rows.with_columns(task=pl.Series(tasks, dtype=pl.String))
        info = lake.write(step.expected, rows, meta={"ids": ids_digest(rows["row_id"])})
        return Built(
            info,
            rows.height,
            metadata={
                "doc": spec.doc,
                "rows_refused": result.summary.quarantined,
                "examples": sample_table(rows, ["prompt", "response"], rows=8),
            },
        )

    return Table(
        key=("targets", name),
        description=f"The query set `{name}`: what a training set selected for it should be good at.",
        group="targets",
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "polars"}),
        version=versions.CORPUS,
        columns={"task": "The task that the example names, for task_round_robin and categories; else its row id."},
    )


def query_names(warehouse: Warehouse, name: str, row_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (task, label) of each example of a target; one that names no task is a task of its own."""
    rows = warehouse.lake.scan(("targets", name)).select("row_id", "position", "prompt", "task").collect()
    tasks, labels = {}, {}
    for row, position, prompt, task in rows.iter_rows():
        tasks[row] = task
        labels[row] = f"{name} {position}: {clean(prompt, 60)}"
    return [tasks[row] for row in row_ids], [labels[row] for row in row_ids]


def _target(warehouse: Warehouse, name: str) -> tuple[TargetSpec, Snapshot]:
    spec = warehouse.registry.targets[name]
    return spec, snapshot(spec, name, warehouse.settings.data, warehouse.settings.warehouse / "_cache" / "_targets")


def _ingest(
    lake: Lake, expected: Expected, source: str, spec: SourceSpec, found: Snapshot, allowed: float
) -> tuple[IngestSummary, list[str]]:
    """Stream a source into its corpus and quarantine tables; too many bad rows replace neither.

    Raises:
        SourceError: more than ``allowed`` of the rows are bad, with the commonest reasons.
    """
    result = ingest(read_rows(found, spec), source=source, count_tokens=token_counter().count, **spec.ingest_options())
    ids: list[str] = []
    refused: list[pa.RecordBatch] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in result:
            ids.extend(batch.corpus.column("row_id").to_pylist())
            if batch.quarantine.num_rows:
                refused.append(batch.quarantine)
            yield batch.corpus
        summary = result.summary
        if summary.quarantined_share > allowed:
            reasons = "; ".join(f"{reason} ({count:,})" for reason, count in summary.top_reasons(5))
            raise SourceError(
                f"source {source}: {summary.quarantined:,} of {summary.rows_in:,} rows "
                f"({summary.quarantined_share:.1%}) cannot be used, more than max_quarantined_share = {allowed:.0%} "
                f"of sources/{source}.yaml allows; nothing was replaced. Reasons: {reasons}"
            )
        if not summary.kept:
            raise SourceError(f"source {source}: no usable rows ({summary.rows_in:,} read); nothing was replaced")
        quarantine = Expected(("quarantine", source), expected.fingerprint, expected.inputs)
        lake.write(quarantine, pa.Table.from_batches(refused, schema=QUARANTINE_SCHEMA))

    lake.write(
        expected,
        batches(),
        schema=CORPUS_SCHEMA,
        data_version=lambda: digest([ids_digest(ids), expected.fingerprint]),
        meta=lambda: {"ids": ids_digest(ids), "quarantined": result.summary.quarantined},
    )
    return result.summary, ids


def _ingest_identity(spec: Located) -> list[Any]:
    return [spec.ingest_options(), spec.limits.model_dump()]


def _row_ids(lake: Lake, expected: Expected) -> list[str]:
    return lake.scan(expected.key).select("row_id").collect()["row_id"].to_list()
