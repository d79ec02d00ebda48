"""What of the pool is looked at: a filter as the page sends it, and as a condition in SQL.

Belongs here: the filter, the check of its names against the columns, its parameters. Does not: asking (``database``).

Nothing of a filter becomes part of a statement but names of columns that the pool has: every value is a parameter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from datasel_assets.schema import StrictModel, suggestion
from datasel_assets.storage.catalog import identifier

TEXT, KEPT, STAGE, MAP = "text", "kept.", "stage.", ("map.x", "map.y")
"""Columns of the database: words of a row, decisions of a recipe, coordinates on the map."""
CLUSTER = "cluster"
MOST = 1000

Name = Annotated[str, Field(max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class NoSuchColumn(ValueError):
    """A filter names what the pool does not have; says what it has."""


class Bounds(StrictModel, frozen=True):
    """Between which values a score lies, both included; None leaves an end open."""

    low: Number | None = None
    high: Number | None = None


class Box(StrictModel, frozen=True):
    """A part of the map."""

    x: tuple[Number, Number]
    y: tuple[Number, Number]


class Filter(StrictModel, frozen=True):
    """Which rows are looked at: those that fit everything that is said.

    Attributes:
        text: a piece of prompt or response, without regard to case and white space.
        sources: any of these.
        bounds: column of numbers -> between what.
        clusters: any of these numbers.
        categories: ``category.<file>`` -> any of these.
        tags: ``tags.<file>`` -> all of these.
        decisions: recipe -> ``kept``, ``dropped``, or the stage at which the row fell.
        box: a part of the map.
    """

    text: Annotated[str, Field(max_length=1000)] = ""
    sources: Annotated[tuple[Name, ...], Field(max_length=MOST)] = ()
    bounds: Annotated[dict[Name, Bounds], Field(max_length=20)] = Field(default_factory=dict)
    clusters: Annotated[tuple[int, ...], Field(max_length=MOST)] = ()
    categories: Annotated[dict[Name, tuple[Name, ...]], Field(max_length=20)] = Field(default_factory=dict)
    tags: Annotated[dict[Name, tuple[Name, ...]], Field(max_length=20)] = Field(default_factory=dict)
    decisions: Annotated[dict[Name, Name], Field(max_length=20)] = Field(default_factory=dict)
    box: Box | None = None


@dataclass(frozen=True)
class Columns:
    """What of the pool can be filtered by.

    Attributes:
        numbers: columns of numbers, as recipes name them.
        sources: names.
        categories: ``category.<file>`` -> the categories, sorted.
        tags: ``tags.<file>``.
        recipes: recipe -> the stages of its decisions, most rows first.
        clusters: titles by number; empty where the pool has none.
        has_map: whether rows have a place on a map.
    """

    numbers: tuple[str, ...]
    sources: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    recipes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clusters: tuple[str, ...] = ()
    has_map: bool = False

    def checked(self, kind: Literal["numbers", "categories", "tags", "recipes"], name: str) -> str:
        """Return ``name``.

        Raises:
            NoSuchColumn: there is none of that kind.
        """
        there = getattr(self, kind)
        if name not in there:
            raise NoSuchColumn(f"{kind} has no {name!r}{suggestion(name, list(there))}")
        return name


def filter_of(asked: object) -> Filter:
    """Return the filter that a page sent.

    Raises:
        ValueError: it is none; says where.
    """
    try:
        return Filter.model_validate(asked, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"filter: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def condition(wanted: Filter, columns: Columns) -> tuple[str, list[Any]]:
    """Return SQL that is true for the rows of a filter, its text aside, and its parameters.

    Raises:
        NoSuchColumn: the filter names a column that the pool has not.
    """
    parts = list(_parts(wanted, columns))
    return " AND ".join(sql for sql, _ in parts) or "true", [value for _, values in parts for value in values]


def piece_of(wanted: Filter) -> str:
    """Return what is searched for in the column ``TEXT``."""
    return " ".join(wanted.text.lower().split())


def _parts(wanted: Filter, columns: Columns) -> Iterator[tuple[str, list[Any]]]:
    if wanted.sources:
        yield "source IN (SELECT unnest(?))", [list(wanted.sources)]
    for name, bounds in wanted.bounds.items():
        column = identifier(columns.checked("numbers", name))
        if bounds.low is not None:
            yield f"{column} >= ?", [bounds.low]
        if bounds.high is not None:
            yield f"{column} <= ?", [bounds.high]
    if wanted.clusters:
        yield f"{CLUSTER} IN (SELECT unnest(?))", [list(wanted.clusters)]
    for name, names in wanted.categories.items():
        yield f"{identifier(columns.checked('categories', name))} IN (SELECT unnest(?))", [list(names)]
    for recipe, decision in wanted.decisions.items():
        columns.checked("recipes", recipe)
        if decision in ("kept", "dropped"):
            yield f"{identifier(KEPT + recipe)} = ?", [decision == "kept"]
        else:
            yield f"{identifier(STAGE + recipe)} = ?", [decision]
    if wanted.box:
        if not columns.has_map:
            raise NoSuchColumn("the pool has no map")
        for column, (one, other) in zip(MAP, (wanted.box.x, wanted.box.y), strict=True):
            yield f"{identifier(column)} BETWEEN ? AND ?", sorted((one, other))
    for name, tags in wanted.tags.items():
        yield f"list_has_all({identifier(columns.checked('tags', name))}, ?)", [list(tags)]
