"""Scores that users bring: a table with a key and a value per line, as Parquet or CSV.

Belongs here: finding and reading such a table. Does not belong here: which row a key means (``tables.scores.given``),
what a value means (``indicators.given``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.readers.patterns import local_files
from datasel_assets.storage.sorted_ids import positions


@dataclass(frozen=True)
class GivenValues:
    """Values by key.

    Attributes:
        keys: (n,) sorted keys, each once.
        values: (n,) in the same order, of the type that the file has; texts where it is a CSV.
    """

    keys: pl.Series
    values: pl.Series

    def of(self, wanted: pl.Series) -> pl.Series:
        """Return the values (m,) of ``wanted`` keys; null where there are none."""
        places = pl.Series(positions(wanted, self.keys))
        return self.values.gather(places.set(places < 0, None))


def files_of(table: str, base: Path) -> list[Path]:
    """Return the files that a table of scores consists of, sorted.

    Raises:
        SourceError: there are none, or the kind of file is not known.
    """
    path = Path(table) if Path(table).is_absolute() else base / table
    if path.suffix not in (".parquet", ".csv"):
        raise SourceError(f"{path}: scores are read from .parquet or .csv")
    found = local_files(table, base)
    if not found:
        raise SourceError(f"the table of scores {path} does not exist")
    return found


def read_values(
    table: str, column: str, key: str, base: Path, spelled: Callable[[str], str] | None = None
) -> GivenValues:
    """Read a table of scores; it is held in memory.

    Args:
        table: ``.parquet`` (or a pattern) or ``.csv``; relative to ``base``.
        column: column of values.
        key: column of keys.
        base: data folder.
        spelled: brings keys into the spelling in which they are looked up.

    Raises:
        SourceError: the table cannot be read, lacks a column, or a key is missing or repeated.
    """
    frames = [_read(path, column, key) for path in files_of(table, base)]
    keys = pl.concat([frame["key"] for frame in frames])
    if keys.null_count():
        raise SourceError(f"{table}: line {int(keys.is_null().arg_max() or 0) + 1} has no {key!r}")
    if spelled is not None:
        keys = pl.Series("key", [spelled(one) for one in keys], dtype=pl.String)
    repeated = keys.filter(keys.is_duplicated())
    if len(repeated):
        raise SourceError(f"{table}: the key {repeated[0]!r:.60} occurs more than once: leave one of its lines")
    values = pl.concat([frame.select("value") for frame in frames], how="vertical_relaxed")["value"]
    order = keys.arg_sort()
    return GivenValues(keys.gather(order), values.gather(order))


def _read(path: Path, column: str, key: str) -> pl.DataFrame:
    try:
        scan = (
            pl.scan_csv(path, infer_schema=False, glob=False)
            if path.suffix == ".csv"
            else pl.scan_parquet(path, glob=False)
        )
        have = scan.collect_schema().names()
        if absent := [name for name in (column, key) if name not in have]:
            raise SourceError(f"{path}: there is no column {absent[0]!r}; it has {', '.join(have)}")
        return scan.select(key=pl.col(key).cast(pl.String), value=pl.col(column)).collect()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
