"""How facts look in the UI: sample rows, plots, histograms as metadata. Text from data is never rendered as markup."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from datasel_assets.diagnostics.text import clean

SAMPLE_ROWS = 5


def sample_table(frame: pl.DataFrame, columns: Sequence[str], rows: int = SAMPLE_ROWS) -> dg.TableMetadataValue:
    """Return the first rows as a table; the UI shows its cells as plain text."""
    records = [
        dg.TableRecord({column: _cell(row[column]) for column in columns})
        for row in frame.head(rows).select(columns).iter_rows(named=True)
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(records, schema=schema)


def counts_table(counts: Mapping[str, Any], name: str, value: str) -> dg.TableMetadataValue:
    """Return a mapping as a two-column table."""
    return dg.MetadataValue.table(
        [dg.TableRecord({name: _cell(key), value: _cell(count)}) for key, count in counts.items()],
        schema=dg.TableSchema(columns=[dg.TableColumn(name), dg.TableColumn(value)]),
    )


def picture(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as embedded Markdown."""
    from datasel_assets.diagnostics.plots import as_markdown

    return dg.MetadataValue.md(as_markdown(png, alt))


def asset_link(*key: str) -> dg.DagsterAssetMetadataValue:
    """Return a link to another asset."""
    return dg.MetadataValue.asset(dg.AssetKey(list(key)))


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 5)
    return clean("" if value is None else str(value), 200)
