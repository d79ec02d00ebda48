"""One unit of work of a row table: read its rows, compute them, write their shard. Runs in any process.

Belongs here: what a worker does, and that one bad row costs one row. Does not belong here: which units there are
(``row_table``).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets import progress
from datasel_assets.compute.units import function_at
from datasel_assets.storage.lake import StaleTableError
from datasel_assets.storage.lines import Lines, write_lines
from datasel_assets.storage.shards import FAILED, ids_of, write_shard
from datasel_assets.tables.warehouse import Warehouse, open_warehouse

REASON_CHARS = 300
DTYPE = "dtype"
"""Figure by which ``compute`` tells in which number format its model computed (see :meth:`Context.note`)."""


class WholeTableError(ValueError):
    """What is wrong is wrong with the table as a whole: nothing is computed any further, nothing is published."""


class TooManyFailuresError(WholeTableError):
    """So many rows could not be computed that something is wrong with the table and not with rows."""

    @classmethod
    def of(cls, name: str, failed: int, rows: int, row: str, reason: str) -> "TooManyFailuresError":
        """Return the error for ``failed`` of ``rows`` rows, with one of them as an example."""
        return cls(
            f"{failed:,} of {rows:,} rows of {name} could not be computed, so nothing was published; for example row "
            f"{row}: {reason}"
        )


SYSTEMATIC = (MemoryError, OSError, ImportError, AssertionError, StaleTableError, WholeTableError)
"""Errors that have nothing to do with a single row."""


@dataclass(frozen=True)
class Context:
    """What ``compute`` gets besides its rows.

    Attributes:
        warehouse: the opened data folder.
        source: of the rows; None for a table that has none.
        columns: the columns that are asked for.
        arguments: plain values of the table.
        loaded: what the table's ``load`` made of them; None where it has none.
        facts: figures of this unit; numbers are added up over units.
    """

    warehouse: Warehouse
    source: str | None
    columns: tuple[str, ...]
    arguments: Mapping[str, Any]
    loaded: Any
    facts: dict[str, Any] = field(default_factory=dict)

    def progress(self, rows: int) -> None:
        """Tell how many rows of this unit are done."""
        progress.rows_done(rows)

    def note(self, **figures: float | str) -> None:
        """Add figures to those of this unit (see :func:`added`)."""
        added(self.facts, figures)


def added(facts: dict[str, Any], figures: Mapping[str, Any]) -> None:
    """Add figures to ``facts``: numbers add up, of names that begin with ``peak`` the largest counts, words stand."""
    for name, figure in figures.items():
        known = facts.get(name)
        if known is None or (known == figure and isinstance(figure, str)):
            facts[name] = figure
        elif isinstance(figure, str):
            facts[name] = f"{known}, {figure}"
        else:
            facts[name] = max(known, figure) if name.startswith("peak") else known + figure


def carry_out(
    *,
    data: str,
    device: str,
    source: str | None,
    compute: str,
    load: str | None,
    arguments: Mapping[str, Any],
    file: str,
    group: int,
    positions: Sequence[int],
    reads: Sequence[str],
    columns: Sequence[str],
    lines: Mapping[str, Any] | None,
    shard: str,
    may_fail: int,
) -> dict[str, Any]:
    """Compute the rows at ``positions`` of a row group of a Parquet file and write them as a shard; return facts.

    Nothing is done where the shard is there: another worker finished it, and was lost before it could say so.

    Raises:
        ValueError: ``compute`` returned other rows or columns than it was asked for.
        TooManyFailuresError: more than ``may_fail`` rows failed.
    """
    if Path(shard).is_file():
        return {}
    warehouse = open_warehouse(data, device)
    held = loaded(load, data, device, json.dumps(arguments, sort_keys=True)) if load else None
    context = Context(warehouse, source, tuple(columns), arguments, held)
    rows, failed = read_rows(Path(file), group, positions, reads)
    own = Lines.of_plain(lines) if lines else None
    usable = rows.filter(~pl.col("row_id").is_in(list(failed))) if failed else rows
    made, many = _compute(function_at(compute), usable, context, failed, may_fail)
    table = _checked(made, rows["row_id"], columns, failed, compute)
    if own is not None:
        # Before the rows, so that a shard of rows is never without its lines.
        write_lines(own, Path(shard), _stacked(own, many, columns), rows["row_id"].to_list(), columns)
    write_shard(Path(shard), table, context.facts.get(DTYPE))
    return context.facts


def read_rows(
    file: Path, group: int, positions: Sequence[int], columns: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return ``row_id`` and some columns of some rows of one row group, in the order of ``positions``.

    The second value says of the rows that failed upstream why: they have nothing that could be computed with.
    """
    with pq.ParquetFile(file) as opened:
        told = [FAILED] if FAILED in opened.schema_arrow.names else []
        names = ["row_id", *(name for name in columns if name not in told), *told]
        rows = pl.DataFrame(pl.from_arrow(opened.read_row_group(group, columns=names)))[list(positions)]
    if not told:
        return rows, {}
    failed = {row: f"upstream: {reason}" for row, reason in rows.select("row_id", FAILED).drop_nulls().iter_rows()}
    return rows.drop(FAILED), failed


_held: dict[tuple[str, str, str, str], Any] = {}
"""What the running table has loaded: one thing at most, because it may be a model."""


def loaded(load: str, data: str, device: str, arguments: str) -> Any:
    """Load what a table needs once per process; what another one needed is let go before, not after."""
    wanted = (load, data, device, arguments)
    if wanted not in _held:
        _held.clear()
        _held[wanted] = function_at(load)(open_warehouse(data, device), **json.loads(arguments))
    return _held[wanted]


def _compute(
    compute: Callable[..., Any], rows: pl.DataFrame, context: Context, failed: dict[str, str], may_fail: int
) -> tuple[list[pa.Table], list[pl.DataFrame]]:
    """Return what was computed and its lines; rows that fail are found by halving and added to ``failed``."""
    waiting, made, many = [(rows, 0)] if rows.height else [], [], []
    while waiting:
        part, before = waiting.pop()
        try:
            found = compute(part, context)
        except SYSTEMATIC:
            raise
        except Exception as error:
            # torch's own class of it; torch is not imported here.
            if type(error).__name__ == "OutOfMemoryError":
                raise
            if part.height > 1:
                half = part.height // 2
                waiting += [(part[half:], before + half), (part[:half], before)]
                continue
            reason = f"{type(error).__name__}: {error}"[:REASON_CHARS]
            failed[part["row_id"][0]] = reason
            if len(failed) > may_fail:
                name = f"{compute.__module__}.{compute.__name__}"
                raise TooManyFailuresError.of(name, len(failed), rows.height, part["row_id"][0], reason) from error
        else:
            if isinstance(found, tuple):
                found, lines = found
                many.append(lines)
            made.append(_arrow(found))
        context.progress(before + part.height)
    return made, many


def _checked(
    made: Sequence[pa.Table], wanted: pl.Series, columns: Sequence[str], failed: Mapping[str, str], name: str
) -> pa.Table:
    """Return one table of computed and failed rows; refuse anything but what was asked for."""
    tables = list(made)
    for table in tables:
        if wrong := set(table.column_names) - {FAILED} ^ {"row_id", *columns}:
            raise WholeTableError(f"{name} made other columns than it was asked for: {', '.join(sorted(wrong))}")
    if failed:
        empty = {column: pa.nulls(len(failed)) for column in columns}
        told = {"row_id": pa.array(list(failed), pa.string()), **empty, FAILED: pa.array(list(failed.values()))}
        tables.append(pa.table(told))
    table = (
        pa.concat_tables(tables, promote_options="permissive").combine_chunks() if tables else pa.table({"row_id": []})
    )
    ids = ids_of(table)
    if foreign := ids.filter(~ids.is_in(wanted.implode())).to_list():
        raise WholeTableError(f"{name} made row {foreign[0]}, which was not asked for")
    if repeated := ids.filter(ids.is_duplicated()).to_list():
        raise WholeTableError(f"{name} made row {repeated[0]} twice")
    if missing := wanted.filter(~wanted.is_in(ids.implode())).to_list():
        raise WholeTableError(f"{name} left out {len(missing)} rows, for example {min(missing)}")
    return table


def _arrow(rows: pl.DataFrame | pa.Table) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()) if isinstance(rows, pl.DataFrame) else rows


def _stacked(lines: Lines, many: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    schema = lines.schema(columns)
    return pl.concat(many) if many else pl.DataFrame(schema=schema)
