"""The increment rule of every row-level table: compute what is new, keep what is current, drop what is gone.

Belongs here: anti-joins of ids, shards that survive a killed process, publication of the merged table.
Does not belong here: what is computed for a row.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Lake, TableInfo


@dataclass(frozen=True)
class Increment:
    """Which rows of a table must be computed, may be reused, and leave."""

    new: list[str]
    reused: list[str]
    removed: int
    reason: str


def Update(info, increment, shards_resumed=0):
    from datasel_assets.tables.table import Update as New

    return New(info, len(increment.new), len(increment.reused), increment.removed, increment.reason, shards_resumed)


def resolve_increment(upstream: Sequence[str], stored: Sequence[str] | None, *, compatible: bool) -> Increment:
    """Compare the ids a table should have with those it has.

    Args:
        upstream: ids of the upstream table, each once.
        stored: ids of the stored table, or None when there is none.
        compatible: False when the stored table has another fingerprint: nothing of it may be reused.

    >>> resolve_increment(["a", "b"], ["b", "c"], compatible=True)
    Increment(new=['a'], reused=['b'], removed=1, reason='rows changed')
    """
    if stored is None:
        return Increment(sorted(upstream), [], 0, "first run")
    if not compatible:
        return Increment(sorted(upstream), [], len(set(stored) - set(upstream)), "fingerprint changed")
    wanted, have = set(upstream), set(stored)
    new, removed = sorted(wanted - have), len(have - wanted)
    reason = "rows changed" if new or removed else "unchanged"
    return Increment(new, [row for row in stored if row in wanted], removed, reason)


def plan_increment(
    lake: Lake,
    expected: Expected,
    upstream: Sequence[str],
    reusable: Callable[[TableInfo], bool] = lambda info: True,
) -> Increment:
    """Compare a stored table with the ids it should hold.

    Args:
        lake: where the table lies.
        expected: its key and the fingerprint without which nothing of it may be reused.
        upstream: row ids that the table must hold.
        reusable: further condition on the stored table, for example that it holds the layers now wanted.

    Raises:
        ValueError: ``upstream`` repeats an id.
    """
    if len(set(upstream)) != len(upstream):
        raise ValueError(f"upstream ids of {'/'.join(expected.key)} are not unique")
    info = lake.info(expected.key)
    if info is None:
        return resolve_increment(upstream, None, compatible=False)
    stored = lake.scan(expected.key).select("row_id").collect()["row_id"].to_list()
    compatible = info.fingerprint == expected.fingerprint and reusable(info)
    return resolve_increment(upstream, stored, compatible=compatible)


def publish_increment(
    lake: Lake,
    expected: Expected,
    upstream: Sequence[str],
    increment: Increment,
    pieces: Iterable[pa.Table],
    *,
    schema: pa.Schema,
    meta: Mapping[str, Any] | None = None,
) -> TableInfo:
    """Publish the reused rows followed by ``pieces``, if together they are exactly ``upstream``.

    Raises:
        ValueError: rows are missing, repeated or foreign; the stored table stays as it was.
    """

    def checked() -> Iterator[pa.RecordBatch | pa.Table]:
        missing = set(upstream)
        for piece in itertools.chain(_reused(lake, expected, increment), pieces):
            for row in piece.column("row_id").to_pylist():
                if row not in missing:
                    raise ValueError(
                        f"the producer of {'/'.join(expected.key)} made row {row}, which was not asked for"
                    )
                missing.discard(row)
            yield piece
        if missing:
            raise ValueError(
                f"the producer of {'/'.join(expected.key)} left out {len(missing)} rows, for example {min(missing)}"
            )

    digest_of_ids = ids_digest(upstream)
    return lake.write(
        expected,
        checked(),
        schema=schema,
        data_version=digest([digest_of_ids, expected.fingerprint]),
        meta={**(meta or {}), "ids": digest_of_ids},
    )


def update_table(
    lake: Lake,
    expected: Expected,
    upstream: Sequence[str],
    compute: Callable[[list[str]], pa.Table],
    *,
    schema: pa.Schema,
    shard_rows: int,
    meta: Mapping[str, Any] | None = None,
    reusable: Callable[[TableInfo], bool] = lambda info: True,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> Update:
    """Bring an expensive row-level table up to date with ``upstream``, shard by shard, and publish it.

    New rows are computed in shards of ``shard_rows`` ids, each written as soon as it is done; a killed process finds
    its finished shards again, because shards are named by the hash of their ids. The merged table is published only
    when it holds exactly the upstream ids, so a fault in ``compute`` never replaces good data.

    Args:
        lake: where the table lies.
        expected: key, fingerprint and inputs of the table.
        upstream: row ids that the table must hold.
        compute: maps a list of ids to a table with ``schema``, one row per id.
        schema: Arrow schema, with a column ``row_id``.
        shard_rows: rows per shard.
        meta: deterministic facts for the footer.
        reusable: see :func:`plan_increment`.
        on_shard: progress callback with rows done and rows to do.
    """
    increment = plan_increment(lake, expected, upstream, reusable)
    folder = lake.shard_folder(expected)
    shards, resumed, done = [], 0, 0
    for start in range(0, len(increment.new), shard_rows):
        ids = increment.new[start : start + shard_rows]
        path = folder / f"{digest([ids, schema.to_string()])}.parquet"
        if path.is_file():
            resumed += 1
        else:
            with atomic_path(path) as temporary:
                pq.write_table(compute(ids).cast(schema), temporary, compression="none")
        shards.append(path)
        done += len(ids)
        on_shard(done, len(increment.new))
    pieces = (pq.read_table(shard) for shard in shards)
    info = publish_increment(lake, expected, upstream, increment, pieces, schema=schema, meta=meta)
    lake.clear_shards(expected.key)
    return Update(info, increment, resumed)


def _reused(lake: Lake, expected: Expected, increment: Increment) -> Iterator[pa.RecordBatch]:
    """Stream the kept rows of the old table."""
    if not increment.reused:
        return
    keep = set(increment.reused)
    with pq.ParquetFile(lake.path(expected.key)) as file:
        for batch in file.iter_batches():
            yield batch.filter(pa.array([row in keep for row in batch.column("row_id").to_pylist()]))
