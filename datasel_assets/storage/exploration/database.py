"""The rows of the pool in a DuckDB of this process: what fits a filter, what it looks like, beside what.

Belongs here: the database, its answers as plain values. Does not: what a filter may say (``filters``).

The database lies in memory, and once it is filled it can reach nothing else: no file, no extension, and no statement
can loosen that. Whatever is sent here can at worst read the rows that are there to be read.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.histogram import bins_of
from datasel_assets.storage.catalog import identifier
from datasel_assets.storage.exploration.filters import CLUSTER, KEPT, MAP, TEXT, Columns, Filter, condition, piece_of

LOCK = ("SET enable_external_access = false", "SET lock_configuration = true")
LISTED = ("row_id", "source", "position", "n_turns", "n_tokens", "prompt", "response")
"""Columns that a list of rows shows."""
MOST_LISTED = 200
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FOUND = 32
"""Filters whose rows are remembered."""


class PoolDatabase:
    """The rows of one sitting.

    Args:
        rows: a line for each row, in the order in which lists are shown: ``LISTED``, ``text`` (lower-cased, single
            spaces) and the columns that ``columns`` names.
        columns: what can be filtered by.
    """

    def __init__(self, rows: pl.DataFrame, columns: Columns) -> None:
        import duckdb

        self.columns, self.height = columns, rows.height
        self._connection = duckdb.connect(":memory:")
        # Texts are searched where they are: that takes a fraction of the time of a search within the database.
        self._texts = rows[TEXT]
        numbered = rows.drop(TEXT).with_row_index("i").to_arrow(compat_level=pl.CompatLevel.oldest())
        self._connection.register("incoming", numbered)
        self._connection.execute("CREATE TABLE pool AS SELECT * FROM incoming")
        self._connection.unregister("incoming")
        for statement in LOCK:
            self._connection.execute(statement)
        self._lock = Lock()
        self._mask = lru_cache(maxsize=FOUND)(self._mask_of)
        self.values = lru_cache(maxsize=FOUND)(self._values)
        kept = [rows[KEPT + recipe].fill_null(False).to_numpy() for recipe in columns.recipes]
        self._kept = np.stack(kept) if kept else np.zeros((0, rows.height), bool)
        numbers = {name: number for number, name in enumerate(columns.sources)}
        self._source = np.array([numbers[name] for name in rows["source"]], np.int64)

    def close(self) -> None:
        """Let go of the memory."""
        self._connection.close()

    def matching(self, wanted: Filter) -> np.ndarray:
        """Return bool (n,): the rows of a filter.

        Raises:
            NoSuchColumn: the filter names what the pool has not.
        """
        return self._mask(wanted.model_dump_json())

    def _mask_of(self, asked: str) -> np.ndarray:
        wanted = Filter.model_validate_json(asked)
        sql, parameters = condition(wanted, self.columns)
        found = np.full(self.height, sql == "true")
        if sql != "true":
            found[self._numpy(f"SELECT i FROM pool WHERE {sql}", parameters)["i"]] = True
        if piece := piece_of(wanted):
            found &= self._texts.str.contains(piece, literal=True).to_numpy()
        return found

    def _values(self, column: str) -> np.ndarray:
        """Return float64 (n,) of a column of numbers, NaN where a value is not known."""
        name = identifier(self.columns.checked("numbers", column))
        found = self._numpy(f"SELECT CAST({name} AS DOUBLE) AS value FROM pool ORDER BY i", [])["value"]
        return np.ma.filled(np.ma.asarray(found, np.float64), np.nan)

    def page(self, rows: np.ndarray, *, sort: str | None, descending: bool, start: int, count: int) -> list[dict]:
        """Return some of the rows of a mask, with the values of the column they are sorted by.

        Args:
            rows: bool (n,).
            sort: column of numbers; None for the order of the pool. Rows without a value come last.
            descending: the largest first.
            start: how many to skip.
            count: how many to give, ``MOST_LISTED`` at most.
        """
        positions = np.flatnonzero(rows)
        if sort is not None:
            values = self.values(sort)[positions]
            keys = -values if descending else values
            positions = positions[np.argsort(keys, kind="stable")]
        return self.rows_at(positions[start : start + min(count, MOST_LISTED)], sort)

    def rows_at(self, positions: Sequence[int] | np.ndarray, column: str | None = None) -> list[dict]:
        """Return the rows at positions, in that order; with ``value`` of a column where one is named."""
        asked = [int(i) for i in positions]
        value = "NULL" if column is None else f"CAST({identifier(self.columns.checked('numbers', column))} AS DOUBLE)"
        names = ", ".join(LISTED)
        sql = f"SELECT i, {names}, {value} AS value FROM pool WHERE i IN (SELECT unnest(?))"
        keys: tuple[str, ...] = ("i", *LISTED, "value")
        found: dict[int, dict[str, Any]] = {
            row[0]: dict(zip(keys, row, strict=True)) for row in self._lines(sql, [asked])
        }
        return [_plain(found[i]) for i in asked if i in found]

    def position_of(self, row_id: str) -> int | None:
        """Return the position of a row, or None where the pool has no such row."""
        found = self._lines("SELECT i FROM pool WHERE row_id = ?", [row_id])
        return found[0][0] if found else None

    def numbers_of(self, position: int) -> dict[str, float | None]:
        """Return column -> value of one row, of all columns of numbers."""
        names = ", ".join(f"CAST({identifier(name)} AS DOUBLE)" for name in self.columns.numbers)
        found = self._lines(f"SELECT {names} FROM pool WHERE i = ?", [position]) if names else []
        values = found[0] if found else ()
        return _plain(dict(zip(self.columns.numbers, values, strict=bool(found))))

    def histogram(self, column: str, rows: np.ndarray, beside: str) -> dict[str, Any]:
        """Return what falls into the bins of a column, of the rows and of others beside them.

        Args:
            column: of numbers.
            rows: bool (n,).
            beside: ``pool``, ``random`` (as many rows, drawn once) or the name of a recipe.

        Returns:
            ``edges`` (b + 1), ``below`` and ``above`` (the outermost bins gather more), and for ``here`` and
            ``beside``: ``counts`` (b), ``known``, ``unknown``, ``mean`` and ``quantiles`` at ``QUANTILES``.
        """
        values = self.values(column)
        bins = bins_of(values)
        others = self._beside(beside, int(rows.sum()))

        def told(mask: np.ndarray) -> dict[str, Any]:
            chosen = values[mask]
            known = chosen[np.isfinite(chosen)]
            quantiles = np.quantile(known, QUANTILES).tolist() if known.size else [None] * len(QUANTILES)
            return {
                "counts": bins.counts(chosen).tolist(),
                "known": int(known.size),
                "unknown": int(chosen.size - known.size),
                "mean": float(known.mean()) if known.size else None,
                "quantiles": quantiles,
            }

        return {
            "column": column,
            "edges": bins.edges.tolist(),
            "below": bins.below,
            "above": bins.above,
            "here": told(rows),
            "beside": told(others),
        }

    def _beside(self, what: str, n: int) -> np.ndarray:
        found = np.zeros(self.height, bool)
        if what == "pool":
            return ~found
        if what == "random":
            found[np.random.default_rng(0).permutation(self.height)[:n]] = True
            return found
        return self.matching(Filter(decisions={what: "kept"}))

    def shares(self, rows: np.ndarray) -> dict[str, Any]:
        """Return how many rows of a mask there are by source, and by decision of each recipe."""
        counts = np.bincount(self._source[rows], minlength=len(self.columns.sources))
        return {
            "rows": int(rows.sum()),
            "sources": dict(zip(self.columns.sources, counts.tolist(), strict=True)),
            "kept": dict(zip(self.columns.recipes, (self._kept & rows).sum(axis=1).tolist(), strict=True)),
        }

    def compared(self, wanted: Filter, one: str, other: str) -> dict[str, int]:
        """Return how many rows of a filter both of two recipes keep, one alone, the other alone, and neither.

        What the filter says of decisions is left aside: it picks one of the four.
        """
        rows = self.matching(wanted.model_copy(update={"decisions": {}}))
        a, b = (self.matching(Filter(decisions={name: "kept"})) for name in (one, other))
        masks = {"both": a & b, "one": a & ~b, "other": b & ~a, "neither": ~(a | b)}
        return {name: int((rows & mask).sum()) for name, mask in masks.items()}

    def map_bytes(self) -> bytes:
        """Return x and y (float32, NaN without a place) and cluster (int32, -1 without) of all rows, little-endian."""
        if not self.columns.has_map:
            return b""
        x, y = (identifier(name) for name in MAP)
        cluster = CLUSTER if self.columns.clusters else "NULL"
        sql = f"SELECT {x} AS x, {y} AS y, CAST({cluster} AS INTEGER) AS c FROM pool ORDER BY i"
        found = self._numpy(sql, [])
        places = [np.ma.filled(np.ma.asarray(found[name], "<f4"), np.nan).tobytes() for name in "xy"]
        return b"".join([*places, np.ma.filled(np.ma.asarray(found["c"]), -1).astype("<i4").tobytes()])

    def common_tags(self, name: str, most: int = 500) -> list[tuple[str, int]]:
        """Return the commonest tags of the pool with how many rows have them."""
        column = identifier(self.columns.checked("tags", name))
        sql = f"SELECT tag, count(*) AS n FROM (SELECT unnest({column}) AS tag FROM pool) GROUP BY tag"
        return self._lines(f"{sql} ORDER BY n DESC, tag LIMIT ?", [most])

    def labels_of(self, position: int) -> dict[str, Any]:
        """Return cluster, categories and tags of one row."""
        names = [*([CLUSTER] if self.columns.clusters else []), *self.columns.categories, *self.columns.tags]
        if not names:
            return {}
        sql = f"SELECT {', '.join(map(identifier, names))} FROM pool WHERE i = ?"
        return dict(zip(names, self._lines(sql, [position])[0], strict=True))

    def _numpy(self, sql: str, parameters: list[Any]) -> Mapping[str, Any]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchnumpy()

    def _lines(self, sql: str, parameters: list[Any]) -> list[tuple]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()


def packed(mask: np.ndarray) -> str:
    """Return a mask in base64, eight rows a byte, the first in the lowest bit."""
    return base64.b64encode(np.packbits(mask, bitorder="little").tobytes()).decode("ascii")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that JSON can hold: what is not finite is not known."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in values.items()
    }
