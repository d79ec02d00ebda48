"""Finding rows by the beginning of their id or by a piece of their text.

Belongs here: what matches, in the pool and in the quarantine. Not here: what is said about a row (``row_facts``).
"""

from typing import TYPE_CHECKING

from datasel_assets.corpus.identity import normalise

if TYPE_CHECKING:
    import polars as pl

    from datasel_assets.tables.warehouse import Warehouse

COLUMNS = ("row_id", "source", "position", "n_turns", "n_tokens", "n_response_tokens", "prompt", "response")


def pool_rows(warehouse: "Warehouse", wanted: str) -> "pl.DataFrame":
    """Return the rows of the pool that ``wanted`` names, sorted by id, with ``COLUMNS``.

    Args:
        warehouse: whose active sources are looked through.
        wanted: an id, the beginning of ids, or a piece of prompts or responses without regard to case and white space;
            a whole id names one row alone.
    """
    import polars as pl

    found = [
        warehouse.lake.scan(("corpus", source))
        .select(COLUMNS)
        .filter(pl.col("row_id").str.starts_with(wanted) | _holds("prompt", wanted) | _holds("response", wanted))
        for source in warehouse.active_sources()
    ]
    rows = pl.concat(pl.collect_all(found)).sort("row_id")
    same = rows.filter(pl.col("row_id") == wanted)
    return rows if same.is_empty() else same


def quarantined_rows(warehouse: "Warehouse", wanted: str) -> "pl.DataFrame":
    """Return source, position, raw and reason of the rows that never entered the pool and hold a piece of text."""
    import polars as pl

    found = [
        warehouse.lake.scan(("quarantine", source))
        .filter(_holds("raw", wanted))
        .select(pl.lit(source).alias("source"), "position", "raw", "reason")
        for source in warehouse.active_sources()
        if warehouse.lake.info(("quarantine", source))
    ]
    return pl.concat(pl.collect_all(found)) if found else pl.DataFrame()


def _holds(column: str, wanted: str) -> "pl.Expr":
    import polars as pl

    text = pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ")
    return text.str.contains(normalise(wanted).lower(), literal=True)
