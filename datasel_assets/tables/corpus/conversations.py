"""The corpus: the conversations of a source in one schema, and beside them its quarantine.

Belongs here: streaming a source into both tables. Does not belong here: the steps from a record to a conversation
(``corpus.ingest``), files (``raw_corpus``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus import CORPUS_SCHEMA, QUARANTINE_SCHEMA, Ingest, IngestSummary, ingest
from datasel_assets.diagnostics import plots
from datasel_assets.models.tokens import TokenCounter
from datasel_assets.specs.source import Located, SourceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Lake, TableInfo
from datasel_assets.storage.readers import Snapshot, SourceError, read_rows
from datasel_assets.storage.row_ids import id_keys, repeated_ids, shared
from datasel_assets.storage.spool import Spool, spool
from datasel_assets.tables.corpus.raw_corpus import RAW_CORPUS, take_snapshot
from datasel_assets.tables.shown import counts_table, picture, sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

QUARANTINE = "quarantine"
CORPUS = Kind("corpus", version="2", per="source", companions=(QUARANTINE,))

TOKENIZER = "sentence-transformers/all-MiniLM-L6-v2"
"""Counts tokens of the corpus. One tokenizer for all sources, so that token budgets mean the same everywhere."""


def corpus_table() -> Table:
    """Return the table of the conversations of each source."""
    return Table(
        kind=CORPUS,
        key=(CORPUS.name,),
        description=(
            "Conversations in one schema, whatever the format of the source; ids do not depend on the order of rows or "
            "files. Rows that cannot become a conversation stand in the quarantine with position and reason."
        ),
        group="sources",
        reads=[(RAW_CORPUS.name,)],
        expect=_expect,
        build=_build,
        checks={
            "rows_accounted": "rows read = rows kept + rows quarantined",
            "unique_ids": "every row id occurs once",
            "schema": "the columns are those of the corpus schema",
            "quarantine_share": "the share of unreadable rows is below the limit in the source's file",
        },
        kinds=frozenset({"parquet", "polars"}),
        version=CORPUS.version,
        refreshed_daily=True,
    )


@lru_cache(maxsize=1)
def token_counter() -> TokenCounter:
    """Return the token counter of the corpus, loaded once per process."""
    return TokenCounter(TOKENIZER)


def ingested(name: str, spec: Located, found: Snapshot) -> Ingest:
    """Return the conversations of a source or target, read as they are asked for."""
    rows = read_rows(found, spec)
    return ingest(rows, source=name, count_tokens=token_counter().count, **spec.ingest_options())


def ingest_identity(spec: Located) -> list[Any]:
    """Return what decides how records become conversations."""
    return [spec.ingest_options(), spec.limits.model_dump()]


@dataclass(frozen=True)
class _Published:
    """What one ingest did: the published table, its accounting, and its rows against those of the table before."""

    info: TableInfo
    summary: IngestSummary
    reused: int
    removed: int
    repeated: int


def _expect(warehouse: Warehouse, source: str | None) -> Expected:
    spec = warehouse.registry.sources.get(str(source))
    options = ingest_identity(spec) if spec else []
    inputs = {RAW_CORPUS.name: warehouse.lake.version((RAW_CORPUS.name, str(source)))}
    return Expected((CORPUS.name, str(source)), digest([CORPUS.version, options, token_counter().identity]), inputs)


def _build(step: Step) -> Built:
    source, lake = str(step.source), step.warehouse.lake
    spec, found = take_snapshot(step.warehouse, source)
    made = _publish(lake, step.expected, ingested(source, spec, found), spec)
    info, summary = made.info, made.summary
    assert summary.detection is not None or not summary.rows_in
    return Built(
        info,
        info.rows - made.reused,
        made.reused,
        made.removed,
        _facts(lake, source, summary),
        {
            "rows_accounted": Check(
                summary.rows_in == summary.kept + summary.quarantined == info.rows + summary.quarantined,
                {"rows_in": summary.rows_in, "kept": info.rows, "quarantined": summary.quarantined},
            ),
            "unique_ids": Check(not made.repeated, {"rows": info.rows, "distinct": info.rows - made.repeated}),
            "schema": Check(pa.schema(CORPUS_SCHEMA).names == lake.scan(info.key).collect_schema().names()),
            "quarantine_share": Check(
                summary.quarantined_share <= spec.max_quarantined_share,
                {"share": summary.quarantined_share, "allowed": spec.max_quarantined_share},
            ),
        },
    )


def _publish(lake: Lake, expected: Expected, batches: Ingest, spec: SourceSpec) -> _Published:
    """Stream a source into its corpus and quarantine tables; too many bad rows replace neither.

    Memory: some batches, 30 bytes per distinct content while rows come in, 16 bytes per row afterwards.

    Raises:
        SourceError: too many rows are bad, or none is good.
    """
    source, summary = expected.key[-1], batches.summary
    quarantine = Expected((QUARANTINE, source), expected.fingerprint, expected.inputs)
    publication = lake.publication(expected, CORPUS_SCHEMA, notes_ids=True)
    with spool(lake.root, QUARANTINE_SCHEMA) as refused, publication as out:
        out.write(_kept(batches, refused), part_rows=lake.part_rows)
        _require_usable(source, summary, spec.max_quarantined_share)
        lake.write(quarantine, refused.batches(), schema=QUARANTINE_SCHEMA)
        before = id_keys(lake, expected.key)
        ids = out.ids()
        version = digest([ids, expected.fingerprint])
        info = lake.publish(out, expected, version, {"ids": ids, "quarantined": summary.quarantined})
    return _compared(lake, info, summary, before)


def _kept(batches: Ingest, refused: Spool) -> Iterator[pa.RecordBatch]:
    """Yield the conversations, and put aside what cannot become one."""
    for batch in batches:
        if batch.quarantine.num_rows:
            refused.add(batch.quarantine)
        yield batch.corpus


def _require_usable(source: str, summary: IngestSummary, allowed: float) -> None:
    if summary.quarantined_share > allowed:
        reasons = "; ".join(f"{reason} ({count:,})" for reason, count in summary.top_reasons(5))
        raise SourceError(
            f"source {source}: {summary.quarantined:,} of {summary.rows_in:,} rows "
            f"({summary.quarantined_share:.1%}) cannot be used, more than max_quarantined_share = {allowed:.0%} "
            f"of sources/{source}.yaml allows; nothing was replaced. Reasons: {reasons}"
        )
    if not summary.kept:
        raise SourceError(f"source {source}: no usable rows ({summary.rows_in:,} read); nothing was replaced")


def _compared(lake: Lake, info: TableInfo, summary: IngestSummary, before: np.ndarray) -> _Published:
    """Compare the published rows with those of the table before, given by their keys."""
    now = id_keys(lake, info.key)
    reused = shared(before, now)
    return _Published(info, summary, reused, len(before) - reused, repeated_ids(lake, info.key, now))


def _facts(lake: Lake, source: str, summary: IngestSummary) -> dict[str, Any]:
    """Return what the page of a corpus shows."""
    table = lake.scan((CORPUS.name, source))
    lengths = table.select("n_tokens").collect()["n_tokens"]
    answers = table.select(pl.col("n_response_tokens").sum()).collect().item()
    examples = table.select("n_turns", "prompt", "response").head(5).collect()
    return {
        "format": summary.detection.format if summary.detection else "none",
        "columns_detected": summary.detection.evidence if summary.detection else "no rows",
        "rows_in": summary.rows_in,
        "rows_quarantined": summary.quarantined,
        **_quarantine(summary, lake.scan((QUARANTINE, source)).head(5).collect()),
        "plot: lengths": picture(plots.token_histogram({source: lengths.to_numpy()}), "tokens per row"),
        "sample": sample_table(examples, ["n_turns", "prompt", "response"]),
        "tokens": int(lengths.sum() or 0),
        "response_tokens": int(answers or 0),
    }


def _quarantine(summary: IngestSummary, rows: pl.DataFrame) -> dict[str, Any]:
    """Show why rows were refused, where any were."""
    if rows.is_empty():
        return {}
    return {
        "quarantine_reasons": counts_table(dict(summary.top_reasons()), "reason", "rows"),
        "quarantine_sample": sample_table(rows, ["position", "reason", "raw"]),
    }
