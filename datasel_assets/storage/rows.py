"""The increment rule of every row-level table: compute what is new, keep what is current, drop what is gone.

Belongs here: which rows of which columns must be computed, and how kept and computed rows become one table, block by
block. Does not belong here: what is computed and where (``tables.row_table``), and tables of lines (``lines``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Lake, TableInfo
from datasel_assets.storage.shards import FAILED, SortedRun, sorted_by_id, stacked, stored_run
from datasel_assets.storage.sorted_ids import among

BLOCK_ROWS = 8192
"""Rows that are merged at a time."""


@dataclass(frozen=True)
class Plan:
    """What an update of a table has to do.

    Attributes:
        new: ids of rows to compute with all columns, sorted.
        reused: ids of rows that keep their ``kept`` columns, sorted.
        removed: how many stored rows leave.
        changed: columns that the stored table lacks or holds in another version; computed for reused rows too.
        kept: columns that reused rows keep.
        reason: in words.
    """

    new: pl.Series
    reused: pl.Series
    removed: int
    changed: list[str]
    kept: list[str]
    reason: str


@dataclass(frozen=True)
class Computed:
    """Shards of one group of columns: of new rows, or of reused rows whose columns changed."""

    new: bool
    columns: tuple[str, ...]
    shards: Sequence[Path]


def columns_fingerprint(versions: Mapping[str, str]) -> str:
    """Return the fingerprint of a table whose columns have versions of their own."""
    return digest(["columns", dict(sorted(versions.items()))])


def stored_versions(info: TableInfo | None, columns: Iterable[str]) -> dict[str, str]:
    """Return column -> version of a stored table; without versions of their own all bear its fingerprint."""
    if info is None:
        return {}
    return info.meta.get("columns") or dict.fromkeys(columns, info.fingerprint)


def plan_rows(
    upstream: pl.Series, stored: pl.DataFrame | None, kept: Sequence[str], wanted: Iterable[str], name: str = "table"
) -> Plan:
    """Compare the rows that a table should hold with those it has.

    Rows that could not be computed last time are tried again.

    Args:
        upstream: ids that the table must hold.
        stored: ``row_id``, and ``failed`` where there is such a column, of the stored table; None without one.
        kept: columns that the stored table has in the version wanted; without any nothing of it is reused.
        wanted: all columns.
        name: of the table, for messages.

    Raises:
        ValueError: ``upstream`` repeats an id.

    >>> plan = plan_rows(pl.Series(["a", "b"]), pl.DataFrame({"row_id": ["b", "c"]}), ["x"], ["x"])
    >>> plan.new.to_list(), plan.reused.to_list(), plan.removed, plan.reason
    (['a'], ['b'], 1, 'rows changed')
    """
    changed = sorted(set(wanted) - set(kept))
    target = upstream.sort()
    if (target == target.shift(1)).any():
        raise ValueError(f"upstream ids of {name} are not unique")
    if stored is None:
        return Plan(target, target[:0], 0, changed, [], "first run")
    gone = int((~among(stored["row_id"], target)).sum())
    if not kept:
        return Plan(target, target[:0], gone, changed, [], "fingerprint changed")
    usable = stored.filter(pl.col(FAILED).is_null()) if FAILED in stored.columns else stored
    known = among(target, usable["row_id"].sort())
    new = target.filter(~known)
    reason = "rows changed" if len(new) or gone else "unchanged"
    return Plan(new, target.filter(known), gone, changed, sorted(kept), reason)


def stored_ids(lake: Lake, info: TableInfo | None) -> pl.DataFrame | None:
    """Return ``row_id`` and, where it is there, ``failed`` of a stored table, by row_id."""
    if info is None:
        return None
    scan = lake.scan(info.key)
    names = [name for name in ("row_id", FAILED) if name in scan.collect_schema().names()]
    return scan.select(names).collect().sort("row_id")


def merged(plan: Plan, computed: Sequence[Computed], stored: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the whole table by row_id, from the shards and the rows that are kept; memory: some blocks.

    Args:
        plan: what was to be done.
        computed: the shards, all of them.
        stored: files of the stored table.
        schema: columns of the table, with ``failed`` where rows failed.

    Raises:
        ValueError: a row is missing.
    """
    groups = {
        is_new: [(c.columns, [SortedRun.of_shard(path) for path in c.shards]) for c in computed if c.new is is_new]
        for is_new in (True, False)
    }
    if plan.kept and len(plan.reused):
        kept = ("row_id", *plan.kept)
        groups[False].append((tuple(plan.kept), stored_run(stored, kept, plan.reused)))
    for start, last, wanted in blocks(plan):
        found = [_side_by_side(groups[is_new], last, schema) for is_new in (True, False) if groups[is_new]]
        block = sorted_by_id(pa.concat_tables([schema.empty_table(), *found]).combine_chunks())
        if block.num_rows != wanted:
            raise ValueError(f"{wanted - block.num_rows} of the rows from {start} to {last} were not computed")
        yield block


def blocks(plan: Plan) -> Iterator[tuple[str, str, int]]:
    """Yield first id, last id and number of rows of each block of a table."""
    target = pl.concat([plan.new, plan.reused]).sort()
    for start in range(0, len(target), BLOCK_ROWS):
        block = target[start : start + BLOCK_ROWS]
        yield block[0], block[-1], len(block)


def _side_by_side(groups: Sequence[tuple[tuple[str, ...], list[SortedRun]]], last: str, schema: pa.Schema) -> pa.Table:
    """Return the next rows of groups of columns of the same rows, as one table with the columns of ``schema``."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}
    reasons: list[pl.Series] = []
    for names, runs in groups:
        tables = [table for run in runs for table in run.upto(last)]
        own = pa.schema([schema.field("row_id"), *(schema.field(name) for name in names)])
        part = stacked([table.select(own.names) for table in tables], own)
        columns |= {name: part.column(name) for name in own.names}
        told = [pl.DataFrame(pl.from_arrow(t.select(["row_id", FAILED]))) for t in tables if FAILED in t.column_names]
        if told:
            ids = pl.DataFrame({"row_id": pl.from_arrow(part.column("row_id"))})
            reasons.append(ids.join(pl.concat(told), on="row_id", how="left", maintain_order="left")[FAILED])
    if FAILED in schema.names:
        empty = pl.Series([None] * len(columns["row_id"]), dtype=pl.String)
        first = pl.select(pl.coalesce([*reasons, empty])).to_series()
        columns[FAILED] = first.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema.field(FAILED).type)
    return pa.table([columns[name] for name in schema.names], schema=schema)
