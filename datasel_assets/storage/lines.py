"""A table with any number of lines per row of a score table, filled by the same computation: scores of single turns.

Belongs here: what such a table shares with the score table that it belongs to, its shards, how old lines and new ones
become one table. Does not: which rows and columns are computed, and when both are published (``tables.row_table``).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from datasel_assets.storage.lake import Key, Lake, TableInfo
from datasel_assets.storage.rows import Computed, Plan, blocks
from datasel_assets.storage.shards import SortedRun, stored_run, write_shard

PolarsType = pl.DataType | type[pl.DataType]


@dataclass(frozen=True)
class Lines:
    """The second table of a score table.

    Attributes:
        key: its key.
        index: columns that tell the lines of one row apart, with their types; they follow from the row alone.
        column: column of the score table -> its float32 column here. Two columns may share one, whose lines they then
            share among them; a column that is missing has no lines.
    """

    key: Key
    index: Mapping[str, PolarsType]
    column: Mapping[str, str]

    def at(self, key: Key) -> "Lines":
        """Return the same table under the key of one source."""
        return replace(self, key=key)

    def as_plain(self) -> dict[str, Any]:
        """Return the table as plain values, for another process."""
        types = {name: str(kind) for name, kind in self.index.items()}
        return {"key": list(self.key), "index": types, "column": dict(self.column)}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "Lines":
        """Return the table that :meth:`as_plain` was called on."""
        index = {name: getattr(pl, kind) for name, kind in plain["index"].items()}
        return cls(tuple(plain["key"]), index, plain["column"])

    def of(self, names: Collection[str]) -> list[str]:
        """Return the columns that these columns of the score table have here, sorted."""
        return sorted({self.column[name] for name in names if name in self.column})

    def shared(self, lake: Lake, rows: TableInfo, wanted_ids: str) -> dict[str, str]:
        """Return the columns that both stored tables hold in one version, and which.

        There are none where this table has other rows than the score table ``rows``. It may be one update ahead, with
        the rows that are wanted now (``wanted_ids``): a process was killed between the two publications.
        """
        own = lake.info(self.key)
        if own is None or own.meta["ids"] not in (rows.meta["ids"], wanted_ids):
            return {}
        stored: dict[str, str] = rows.meta["columns"]
        return {name: version for name, version in stored.items() if own.meta["columns"].get(name) == version}

    def together(self, kept: Collection[str], every: Collection[str]) -> list[str]:
        """Return the columns of ``kept`` that share their lines only with kept ones: lines are computed as a whole."""
        changed = set(self.of(set(every) - set(kept)))
        return sorted(name for name in kept if self.column.get(name) not in changed)

    def schema(self, names: Collection[str]) -> dict[str, PolarsType]:
        """Return the columns of the lines of these columns, with their types."""
        return {"row_id": pl.String, **self.index, **dict.fromkeys(self.of(names), pl.Float32)}


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
    typed = found.select(pl.col(column).cast(kind) for column, kind in schema.items()).sort("row_id", *lines.index)
    write_shard(beside(shard), typed.to_arrow(compat_level=pl.CompatLevel.oldest()))


def merged_lines(
    lines: Lines, names: Collection[str], plan: Plan, computed: Sequence[Computed], stored: Sequence[Path]
) -> Iterator[pl.DataFrame]:
    """Yield the whole table, by row_id and index; memory: some blocks.

    Args:
        lines: the table.
        names: all columns of the table of rows.
        plan: what was to be done for the rows.
        computed: the shards of rows, whose lines lie beside them.
        stored: files of the stored table of lines.
    """
    schema = lines.schema(names)
    new, changed = (
        [SortedRun.of_shard(beside(path)) for group in computed if group.new is is_new for path in group.shards]
        for is_new in (True, False)
    )
    anew = lines.of(plan.changed)
    kept = ["row_id", *lines.index, *(name for name in lines.of(names) if name not in anew)]
    old = stored_run(stored, kept, plan.reused) if plan.kept and len(plan.reused) else []
    for _, last, _ in blocks(plan):
        fresh = _frame(new, last, schema)
        still = _frame(old, last, {name: schema[name] for name in kept})
        if anew:
            made = _frame(changed, last, lines.schema(plan.changed))
            still = still.join(made, on=["row_id", *lines.index], how="left")
        yield pl.concat([fresh.select(*schema), still.select(*schema)]).sort("row_id", *lines.index)


def arrow_schema(schema: Mapping[str, PolarsType]) -> pa.Schema:
    """Return the Arrow schema that a Polars frame with these columns is stored in."""
    return pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


def beside(shard: Path) -> Path:
    """Return where the lines of a shard of rows lie."""
    return shard.with_suffix(".lines.arrow")


def _frame(runs: Sequence[SortedRun], last: str, schema: Mapping[str, PolarsType]) -> pl.DataFrame:
    pieces = [pl.DataFrame(pl.from_arrow(table)) for run in runs for table in run.upto(last)]
    return pl.concat([pl.DataFrame(schema=schema), *(piece.select(*schema) for piece in pieces)])
