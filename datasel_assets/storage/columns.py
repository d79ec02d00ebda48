"""Score tables: one column per indicator, each with a version of its own, so that a new column computes only itself.

Belongs here: which rows of which columns must be computed, shards that survive a killed process, publication; also of a
second table that the same computation fills, with several lines per row (``lines``).
Does not belong here: what a column means. Whole rows that come and go together: ``increment``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.increment import Increment, Update, resolve_increment
from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.lines import Lines

Compute = Callable[[list[str], list[str]], "pl.DataFrame | tuple[pl.DataFrame, pl.DataFrame]"]
"""Row ids and names of columns -> ``row_id`` and these columns, one line per id, in any order; with ``lines`` also
theirs: ``row_id``, their index, and the columns that these columns have there."""


@dataclass(frozen=True)
class ColumnPlan:
    """What an update of a score table has to do.

    Attributes:
        increment: rows that are new, reused and removed.
        changed: columns that the stored table lacks or holds in another version; computed for reused rows too.
        kept: columns that reused rows keep.
    """

    increment: Increment
    changed: list[str]
    kept: list[str]


def columns_fingerprint(versions: Mapping[str, str]) -> str:
    """Return the fingerprint of a score table with these columns."""
    return digest(["columns", dict(sorted(versions.items()))])


def plan_columns(
    lake: Lake, expected: Expected, upstream: Sequence[str], versions: Mapping[str, str], lines: Lines | None = None
) -> ColumnPlan:
    """Compare a stored score table with the rows and columns it should hold.

    Args:
        lake: where the table lies.
        expected: its key.
        upstream: row ids that the table must hold.
        versions: column -> version of what it computes.
        lines: the second table; a column is kept only where both tables have it, for the same rows.

    Raises:
        ValueError: ``upstream`` repeats an id.
    """
    if len(set(upstream)) != len(upstream):
        raise ValueError(f"upstream ids of {'/'.join(expected.key)} are not unique")
    info = lake.info(expected.key)
    if info is None:
        return ColumnPlan(resolve_increment(upstream, None, compatible=False), sorted(versions), [])
    stored = info.meta.get("columns", {}) if lines is None else lines.shared(lake, info, ids_digest(upstream))
    kept = sorted(name for name, version in versions.items() if stored.get(name) == version)
    kept = kept if lines is None else lines.together(kept, versions)
    ids = lake.scan(expected.key).select("row_id").collect()["row_id"].to_list()
    increment = resolve_increment(upstream, ids, compatible=bool(kept))
    return ColumnPlan(increment, sorted(set(versions) - set(kept)), kept)


def update_columns(
    lake: Lake,
    expected: Expected,
    upstream: Sequence[str],
    versions: Mapping[str, str],
    compute: Compute,
    *,
    dtypes: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
    lines: Lines | None = None,
    apart: Sequence[str] = (),
    shard_rows: int = 8192,
    meta: Mapping[str, Any] | None = None,
    on_shard: Callable[[int, int], None] = lambda done, total: None,
) -> Update:
    """Bring a score table up to date: all columns of new rows, changed columns of the others, nothing else.

    Blocks of ``shard_rows`` rows are written as soon as they are computed and found again by a later process. The
    table holds its rows by row_id, so equal content gives equal bytes however it came about. Memory: the table.

    Args:
        lake: where the table lies.
        expected: key, fingerprint (:func:`columns_fingerprint`, or one that contains it) and inputs of the table.
        upstream: row ids that the table must hold.
        versions: column -> version of what it computes.
        compute: see :data:`Compute`.
        dtypes: type of a column where it is not float32.
        lines: a second table that ``compute`` fills too, published just before the first with the same rows and
            columns.
        apart: columns that ``compute`` is asked for one at a time, each for all rows before the next, so that what one
            of them needs is loaded once; not together with ``lines``.
        shard_rows: rows per shard.
        meta: deterministic facts for the footer.
        on_shard: progress callback with rows done and rows to do.

    Raises:
        ValueError: ``compute`` returned other rows or columns than it was asked for; the stored table stays.
    """
    plan = plan_columns(lake, expected, upstream, versions, lines)
    types = {name: (dtypes or {}).get(name, pl.Float32) for name in sorted(versions)}
    reused = plan.increment.reused if plan.kept else []
    assert not (apart and lines), "columns that share a table of lines are computed together"
    jobs: list[tuple[bool, list[str], list[str]]] = []
    for group in (sorted(set(versions) - set(apart)), *([name] for name in apart)):
        changed = [name for name in group if name in plan.changed]
        for is_new, rows, names in ((True, plan.increment.new, group), (False, sorted(reused), changed)):
            jobs += [(is_new, ids, names) for ids in _blocks(rows, shard_rows) if names]
    total, done, resumed = sum(len(ids) for _, ids, _ in jobs), 0, 0
    parts: dict[bool, dict[tuple[str, ...], list[pl.DataFrame]]] = {True: {}, False: {}}
    line_parts: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    for is_new, ids, names in jobs:
        what = [ids, {name: versions[name] for name in names}, *([] if lines is None else [list(lines.key)])]
        shard = lake.shard_folder(expected) / f"{digest(what)}.parquet"
        if shard.is_file():
            resumed += 1
        else:
            made = compute(ids, names)
            if isinstance(made, tuple):
                made, many = made
                assert lines is not None, "lines are made only where they are asked for"
                # Before the rows, so that a shard of rows is never without its lines.
                write_lines(lines, shard, many, ids, names)
            found = _checked(expected, made, ids, {name: types[name] for name in names})
            with atomic_path(shard) as temporary:
                found.write_parquet(temporary, compression="uncompressed")
        parts[is_new].setdefault(tuple(names), []).append(pl.read_parquet(shard, glob=False))
        if lines is not None:
            line_parts.setdefault(tuple(names), []).append(read_lines(shard))
        done += len(ids)
        on_shard(done, total)
    table = _merged(lake, expected, plan, reused, parts[True], parts[False], types)
    ids_version = ids_digest(upstream)
    facts = {"ids": ids_version, "columns": dict(versions)}
    data_version = digest([ids_version, expected.fingerprint])
    if lines is not None:
        many = merged_lines(lake, lines, sorted(versions), plan.kept, reused, line_parts)
        beside = Expected(lines.key, expected.fingerprint, expected.inputs)
        lake.write(beside, many, data_version=data_version, meta=facts)
    info = lake.write(expected, table, data_version=data_version, meta={**(meta or {}), **facts})
    lake.clear_shards(expected.key)
    return Update(info, plan.increment, resumed)


def _blocks(ids: list[str], rows: int) -> list[list[str]]:
    return [ids[start : start + rows] for start in range(0, len(ids), rows)]


def _checked(
    expected: Expected, found: pl.DataFrame, ids: list[str], types: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """Refuse a block that is not exactly what was asked for."""
    name = "/".join(expected.key)
    if sorted(found["row_id"]) != sorted(ids):
        raise ValueError(f"the producer of {name} was asked for {len(ids)} rows and made {found.height} others")
    if set(found.columns) != {"row_id", *types}:
        wrong = sorted(set(found.columns) ^ {"row_id", *types})
        raise ValueError(f"the producer of {name} made other columns than it was asked for: {', '.join(wrong)}")
    return found.select("row_id", *(pl.col(column).cast(dtype) for column, dtype in types.items())).sort("row_id")


def _merged(
    lake: Lake,
    expected: Expected,
    plan: ColumnPlan,
    reused: Sequence[str],
    new: Mapping[tuple[str, ...], Sequence[pl.DataFrame]],
    changed: Mapping[tuple[str, ...], Sequence[pl.DataFrame]],
    types: Mapping[str, pl.DataType | type[pl.DataType]],
) -> pl.DataFrame:
    """Return the whole table by row_id; ``new`` and ``changed`` hold blocks of new and of reused rows by column."""
    pieces = [pl.DataFrame(schema={"row_id": pl.String, **types})]
    if new:
        pieces.append(_side_by_side(map(pl.concat, new.values())))
    if reused:
        stored = lake.scan(expected.key).select("row_id", *plan.kept).collect()
        old = stored.filter(pl.col("row_id").is_in(pl.Series(reused).implode()))
        pieces.append(_side_by_side([old, *map(pl.concat, changed.values())]))
    return pl.concat([piece.select("row_id", *types) for piece in pieces]).sort("row_id")


def _side_by_side(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return reduce(lambda left, right: left.join(right, on="row_id", how="left"), tables)


def write_lines(lines: Lines, shard: Path, found: pl.DataFrame, ids: Collection[str], names: Collection[str]) -> None:
    """Keep the lines of a shard beside its rows.

    Raises:
        ValueError: they are of other rows or columns than was asked for.
    """
    schema, name = lines.schema(names), "/".join(lines.key)
    if wrong := set(found.columns) ^ set(schema):
        raise ValueError(f"the producer of {name} made other columns than it was asked for: {', '.join(sorted(wrong))}")
    if foreign := set(found["row_id"]) - set(ids):
        raise ValueError(f"the producer of {name} made lines of rows that were not asked for: {min(foreign)}")
    with atomic_path(_beside(shard)) as temporary:
        found.select(pl.col(column).cast(kind) for column, kind in schema.items()).write_parquet(temporary)


def read_lines(shard: Path) -> pl.DataFrame:
    """Return the lines that lie beside a shard of rows."""
    return pl.read_parquet(_beside(shard), glob=False)


def merged_lines(
    lake: Lake,
    lines: Lines,
    names: Sequence[str],
    kept: Collection[str],
    reused: Sequence[str],
    parts: Mapping[tuple[str, ...], Sequence[pl.DataFrame]],
) -> pl.DataFrame:
    """Return the whole table, by row_id and index.

    Args:
        lake: where the stored table lies.
        lines: the table.
        names: all columns of the score table, sorted.
        kept: those that reused rows keep; ``parts`` hold the others.
        reused: rows whose stored lines stay.
        parts: names of columns -> lines that were computed with them. Those with all columns are of new rows.
    """
    schema = lines.schema(names)
    pieces = [pl.DataFrame(schema=schema), *parts.get(tuple(names), [])]
    if reused:
        stored = lake.scan(lines.key).filter(pl.col("row_id").is_in(pl.Series(reused).implode()))
        changed = [name for name in names if name not in set(kept)]
        anew = lines.of(changed)
        old = stored.select("row_id", *lines.index, *(c for c in lines.of(names) if c not in anew)).collect()
        if anew:
            old = old.join(pl.concat(parts[tuple(changed)]), on=["row_id", *lines.index], how="left")
        pieces.append(old)
    return pl.concat([piece.select(*schema) for piece in pieces]).sort("row_id", *lines.index)


def _beside(shard: Path) -> Path:
    return shard.with_suffix(".lines.parquet")
