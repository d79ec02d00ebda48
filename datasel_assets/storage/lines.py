"""A table with any number of lines per row of a score table, filled by the same computation: scores of single turns.

Belongs here: what such a table shares with the score table that it belongs to, its shards, how old lines and new ones
become one table. Does not: which rows and columns are computed, and when both are published (``columns``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datasel_assets.storage.atomic import atomic_path
from datasel_assets.storage.lake import Key, Lake, TableInfo


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
    index: Mapping[str, pl.DataType | type[pl.DataType]]
    column: Mapping[str, str]

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

    def schema(self, names: Collection[str]) -> dict[str, pl.DataType | type[pl.DataType]]:
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
