"""How facts look in the UI: sample rows, plots, histograms as metadata. Text from data is never rendered as markup."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from datasel_assets.defs.columns import describe
from datasel_assets.diagnostics.text import clean

SAMPLE_ROWS = 5
CELL_CHARS = 140


def sample_table(
    frame: pl.DataFrame, columns: Sequence[str] | Mapping[str, str], rows: int = SAMPLE_ROWS
) -> dg.TableMetadataValue:
    """Return the first rows as a table; the UI shows its cells as plain text.

    Args:
        frame: the rows.
        columns: the columns to show, or a mapping from them to shorter headings.
        rows: how many rows at most.
    """
    headings = columns if isinstance(columns, Mapping) else {name: name for name in columns}
    records = [
        dg.TableRecord({heading: _cell(row[column]) for column, heading in headings.items()})
        for row in frame.head(rows).select(list(headings)).iter_rows(named=True)
    ]
    schema = dg.TableSchema(
        columns=[dg.TableColumn(heading, description=describe(column)) for column, heading in headings.items()]
    )
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
        return float(f"{value:.4g}")
    return clean("" if value is None else str(value), CELL_CHARS)
