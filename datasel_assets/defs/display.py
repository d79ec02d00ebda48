"""How what a table shows looks in the Dagster UI: metadata values, column schema, column lineage."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from datasel_assets.defs.served import address_of
from datasel_assets.storage.lake import Key
from datasel_assets.tables.columns import describe
from datasel_assets.tables.shown import FilePath, Link, Picture, Rows

FIRST_FACTS = 10
DETAILS = "details"


def metadata(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows as metadata of an event."""
    return {name: _value(value) for name, value in shown.items()}


def arranged(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of an event in the order of a page: the first ten figures and words, then ``details``.

    Pictures, tables and links keep an entry each, behind the figures. What remains stands under one entry.
    """
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
    shown = dict(list(plain.items())[:FIRST_FACTS])
    rest = {name: value for name, value in plain.items() if name not in shown}
    others = {name: value for name, value in facts.items() if name not in plain}
    return {**shown, **others, **({DETAILS: dg.MetadataValue.json(rest)} if rest else {})}


def short(value: Any) -> Any:
    """Round a figure for reading; the table keeps all digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def column_schema(path: Path, texts: Mapping[str, str]) -> dg.TableSchema:
    """Return the columns of a Parquet file."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(f.name, _type_name(f.type), texts.get(f.name) or describe(f.name))
            for f in pq.read_schema(path)
        ]
    )


def column_lineage(lineage: Mapping[str, Sequence[tuple[Key, str]]]) -> dg.TableColumnLineage:
    """Return which columns of other tables each column is made from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(list(key)), column_name=name) for key, name in origins]
            for column, origins in lineage.items()
        }
    )


def _value(value: Any) -> Any:
    match value:
        case Picture(png, alt):
            from datasel_assets.diagnostics.plots import as_markdown

            return dg.MetadataValue.md(as_markdown(png, alt))
        case Rows(columns, cells):
            return dg.MetadataValue.table(
                [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in cells],
                schema=dg.TableSchema(
                    columns=[dg.TableColumn(name, description=text) for name, text in columns.items()]
                ),
            )
        case Link(key):
            return dg.MetadataValue.asset(dg.AssetKey(list(key)))
        case FilePath(path):
            address = address_of(path)
            return dg.MetadataValue.url(address) if address else dg.MetadataValue.path(str(path))
    return short(value)


def _type_name(type_: Any) -> str:
    name = str(type_).replace("large_", "").replace("element: ", "")
    vector = re.fullmatch(r"fixed_size_list<halffloat>\[(\d+)\]", name)
    return f"float16[{vector[1]}]" if vector else {"float": "float32", "double": "float64"}.get(name, name)
