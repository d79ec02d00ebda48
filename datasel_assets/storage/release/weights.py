"""Weights of released rows: a column, whole copies, or left out. Not here: how rows came by them (``samplers``)."""

from typing import Any, Literal

import numpy as np
import polars as pl

from datasel_assets.arrays.weights import effective_rows, mean_one, whole_copies

Weights = Literal["column", "repeat", "drop"]

WEIGHT = "weight"
MOST_COPIES = 5
"""A row that weighs more is cut: one conversation learnt by heart is worse than a mean that is a little off."""


def carry_weights(rows: pl.DataFrame, how: Weights, seed: int) -> tuple[pl.DataFrame, dict[str, Any] | None]:
    """Return the rows as they are released, and what was done about their weights.

    Args:
        rows: ``row_id``; ``weight`` where the recipe gives weights, of any scale.
        how: ``column``: scaled to a mean of 1; ``repeat``: each row as often as it weighs beside that mean
            (``whole_copies``), none more than ``MOST_COPIES`` times, and without the column; ``drop``: without both.
        seed: of the recipe; decides the rounding.

    Returns:
        The rows in their order, copies side by side; and facts for the manifest, None where all rows weigh the same:
        ``carried`` (``how``), ``effective_rows`` (of the selected rows by their weights), ``selected_rows``,
        ``rows_without_copy`` and ``rows_cut`` (to ``MOST_COPIES``).

    Raises:
        ValueError: a weight is missing, negative or not finite.
    """
    if WEIGHT not in rows.columns:
        return rows, None
    weights = rows[WEIGHT].cast(pl.Float64).fill_null(np.nan).to_numpy()
    usable = np.isfinite(weights) & (weights >= 0)
    if not usable.all():
        bad = rows["row_id"].filter(pl.Series(~usable))
        raise ValueError(
            f"rows without a usable weight: {len(bad):,}, {bad[0]} among them; a weight is a number from 0 on"
        )
    differ = bool(len(weights)) and weights.min() < weights.max()
    facts: dict[str, Any] = {
        "carried": how,
        "effective_rows": round(effective_rows(weights), 1),
        "selected_rows": rows.height,
        "rows_without_copy": 0,
        "rows_cut": 0,
    }
    if how == "column":
        rows = rows.with_columns(pl.Series(WEIGHT, mean_one(weights)).cast(rows.schema[WEIGHT]))
    else:
        rows = rows.drop(WEIGHT)
    if how == "repeat" and differ:
        copies = whole_copies(rows["row_id"].to_numpy().astype(np.str_), weights, MOST_COPIES, seed)
        facts["rows_without_copy"] = int((copies == 0).sum())
        facts["rows_cut"] = int((mean_one(weights) > MOST_COPIES).sum())
        rows = rows[np.repeat(np.arange(rows.height), copies)]
    return rows, facts if differ else None
