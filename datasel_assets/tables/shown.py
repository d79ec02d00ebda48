"""What the page of a table shows, in neutral terms: figures, pictures, rows, links, files.

Belongs here: the few kinds of things that can be shown, and how they are kept beside a table. Does not belong here: how
a front end draws them (``defs.display``). Text of rows is shown as text and never as markup.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.diagnostics.text import clean
from datasel_assets.storage.lake import Key
from datasel_assets.tables.columns import describe

SAMPLE_ROWS = 5
CELL_CHARS = 140
FIRST_FACTS = 10
DETAILS = "details"

Cell = str | int | float | bool


@dataclass(frozen=True)
class Picture:
    """A PNG; ``alt`` says what it shows."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class Rows:
    """A small table: heading -> what it means (or None), and one list of cells per row."""

    columns: Mapping[str, str | None]
    cells: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Link:
    """A link to the page of another table."""

    key: Key


@dataclass(frozen=True)
class FilePath:
    """A file or folder."""

    path: Path


@dataclass(frozen=True)
class Details:
    """Figures and words that stand under one heading, which is opened on request."""

    facts: Mapping[str, Cell]


Shown = Cell | Picture | Rows | Link | FilePath | Details


def sample_table(frame: pl.DataFrame, columns: Sequence[str] | Mapping[str, str], rows: int = SAMPLE_ROWS) -> Rows:
    """Return the first rows of a table.

    Args:
        frame: the rows.
        columns: the columns to show, or a mapping from them to shorter headings.
        rows: how many rows at most.
    """
    headings = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    cells = [[_cell(value) for value in row] for row in frame.head(rows).select(list(headings)).iter_rows()]
    return Rows({heading: describe(column) for column, heading in headings.items()}, cells)


def counts_table(counts: Mapping[str, Any], name: str, value: str) -> Rows:
    """Return a mapping as a table of two columns."""
    return Rows({name: None, value: None}, [[_cell(key), _cell(count)] for key, count in counts.items()])


def picture(png: bytes, alt: str) -> Picture:
    """Return a PNG with a description of what it shows."""
    return Picture(png, alt)


def table_link(*key: str) -> Link:
    """Return a link to another table."""
    return Link(key)


def arranged(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows in its order: the first ten figures and words, pictures and tables, then ``details``.

    Pictures, tables and links keep an entry each, behind the figures. What remains stands under one entry.
    """
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
    first = dict(list(plain.items())[:FIRST_FACTS])
    rest = {name: value for name, value in plain.items() if name not in first}
    others = {name: value for name, value in facts.items() if name not in plain}
    return {**first, **others, **({DETAILS: Details(rest)} if rest else {})}


def short(value: Any) -> Any:
    """Round a figure for reading; the table keeps all digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def to_json(shown: Any) -> Any:
    """Return something shown as plain JSON; a figure stays what it is."""
    match shown:
        case Picture(png, alt):
            return {"picture": base64.b64encode(png).decode(), "alt": alt}
        case Rows(columns, cells):
            return {"columns": list(columns.items()), "cells": [list(row) for row in cells]}
        case Link(key):
            return {"link": list(key)}
        case FilePath(path):
            return {"path": str(path)}
    return shown


def from_json(value: Any) -> Any:
    """Return what :func:`to_json` was given."""
    match value:
        case {"picture": png, "alt": alt}:
            return Picture(base64.b64decode(png), alt)
        case {"columns": columns, "cells": cells}:
            return Rows(dict(columns), cells)
        case {"link": key}:
            return Link(tuple(key))
        case {"path": path}:
            return FilePath(Path(path))
    return value


def _cell(value: Any) -> Cell:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return clean("" if value is None else str(value), CELL_CHARS)
