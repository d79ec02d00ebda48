"""How what a table shows looks in the Dagster UI: metadata values, column schema, column lineage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from datasel_assets.storage.lake import Key
from datasel_assets.tables.columns import describe, type_name
from datasel_assets.tables.served import address_of
from datasel_assets.tables.shown import Details, FilePath, Link, Picture, Rows, short


def metadata(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows as metadata of an event."""
    return {name: _value(value) for name, value in shown.items()}


def column_schema(path: Path, texts: Mapping[str, str]) -> dg.TableSchema:
    """Return the columns of a Parquet file."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(f.name, type_name(str(f.type)), texts.get(f.name) or describe(f.name))
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
        case Details(facts):
            return dg.MetadataValue.json({name: short(fact) for name, fact in facts.items()})
    return short(value)
