"""Conditions in SQL over a frame of the pool: whether one can be asked, and for which rows it is true.

Belongs here: DuckDB's part in a rule ``where``. Does not: which columns it reads (``specs.recipe.condition``).

A condition computes with the values of one row and can do nothing else. It is parsed before it is asked, and only
operators and some functions of numbers and texts are let through: no query in it, no file, no chance, no clock. The
database that carries it out lies in memory and cannot reach a file either.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.schema import suggestion
from datasel_assets.specs.recipe.condition import CATEGORY, SOURCE, Condition

if TYPE_CHECKING:
    import duckdb

CLASSES = {"COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "CAST", "TYPE"}
FUNCTIONS = {
    *("+", "-", "*", "/", "%", "**", "^", "~~", "!~~", "~~*", "!~~*"),
    *("abs", "ceil", "floor", "round", "sqrt", "ln", "log10", "exp", "greatest", "least", "coalesce", "pow"),
    *("length", "lower", "upper", "contains", "starts_with", "ends_with", "isnan", "isfinite"),
}
NAMED = sorted(name for name in FUNCTIONS if name.isalnum())


def refuse_unasked(condition: Condition) -> None:
    """Refuse a condition that is no SQL, does more than compute with a row's values, or is not true or false.

    Raises:
        ValueError: says what is wrong with it, and where.
    """
    import duckdb

    # One row, so that what is found out only while values are compared is found out too.
    row = {name: ["text" if _is_text(name) else 1.0] for name in sorted(condition.columns)}
    with _connected() as connection:
        _refuse(connection, condition)
        try:
            _asked(connection, pl.DataFrame(row), condition)
        except duckdb.Error as error:
            raise ValueError(f"where: {_first_line(error)}") from None


def fitting(pool: pl.DataFrame, condition: Condition) -> pl.Series:
    """Return bool (n,): the rows of ``pool`` for which the condition is true; not known is not true.

    Raises:
        ValueError: it cannot be asked; says why.
    """
    import duckdb

    with _connected() as connection:
        _refuse(connection, condition)
        try:
            return _asked(connection, pool.select(map(_typed, sorted(condition.columns))), condition)
        except duckdb.Error as error:
            raise ValueError(f"where: {_first_line(error)}") from None


def _connected() -> "duckdb.DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(":memory:", config={"enable_external_access": False, "threads": 1})
    # One thread, so that rows come back in the order in which they were given.
    connection.execute("SET lock_configuration = true")
    return connection


def _refuse(connection: "duckdb.DuckDBPyConnection", condition: Condition) -> None:
    text = f"SELECT ({condition.sql}) AS fits FROM pool"
    ((serialised,),) = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    found = json.loads(serialised)
    if found.get("error"):
        raise ValueError(f"where: {_first_line(found['error_message'])}")
    node = found["statements"][0]["node"]
    if len(found["statements"]) != 1 or node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1:
        raise ValueError("where: one condition is expected")
    for part in _expressions(node["select_list"][0]):
        kind = part["class"]
        if kind == "FUNCTION":
            name = part["function_name"]
            if name not in FUNCTIONS:
                raise ValueError(f"where: there is no {name}{suggestion(name, NAMED)} Allowed: {', '.join(NAMED)}")
        elif kind not in CLASSES:
            raise ValueError(f"where: a condition holds no {kind.lower()}: it computes with the values of one row")
    if node["from_table"].get("table_name") != "pool" or node.get("where_clause"):
        raise ValueError("where: one condition is expected")


def _expressions(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, dict):
        if "class" in part:
            yield part
        for value in part.values():
            yield from _expressions(value)
    elif isinstance(part, list):
        for value in part:
            yield from _expressions(value)


def _asked(connection: "duckdb.DuckDBPyConnection", pool: pl.DataFrame, condition: Condition) -> pl.Series:
    connection.register("pool", pool.to_arrow(compat_level=pl.CompatLevel.oldest()))
    found = connection.execute(f"SELECT ({condition.sql}) AS fits FROM pool").fetchnumpy()["fits"]
    if found.dtype != bool:
        raise ValueError("where: a condition is true or false; compare it with something")
    return pl.Series("fits", np.ma.filled(found, False), dtype=pl.Boolean)


def _typed(name: str) -> pl.Expr:
    """Return a column as it was checked: a number of a score is compared as the number that is shown of it."""
    return pl.col(name) if _is_text(name) else pl.col(name).cast(pl.Float64)


def _is_text(name: str) -> bool:
    return name == SOURCE or name.startswith(CATEGORY)


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0]
