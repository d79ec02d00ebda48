"""Which numbers find rows that were made wrong on purpose, and where a cut would lie.

Belongs here: the figures of every column and what may be advised from them. Does not: planting (``models.dynamics``),
the columns (``indicators.dynamics``).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from datasel_assets.diagnostics.auc import auc, best_cut

WRONG_IF_HIGH = {
    "forgetting_events": True,
    "first_learned": True,
    "second_split_forgotten": False,
    "loss_slope": True,
    "mean_loss": True,
    "el2n_early": True,
    "wrong_events": True,
    "mean_confidence": False,
    "confidence_variability": False,
    "p_clean": False,
    "difficulty": True,
    "label_margin": False,
    "neighbour_disagreement": True,
}
"""Column -> whether wrong rows are expected to have high values. Said before anything is measured; a number that tells
wrong rows the other way round has an AUC below 0.5."""

SCHEMA = {"column": pl.String, "auc": pl.Float64, "error": pl.Float64, "cut": pl.String, "bound": pl.Float64} | {
    "found": pl.Float64,
    "others": pl.Float64,
}


def planted_figures(values: Mapping[str, np.ndarray], marked: np.ndarray) -> pl.DataFrame:
    """Return a line for each column, the best first.

    Args:
        values: column -> (n,) values in a training on rows of which some were made wrong.
        marked: (n,) bool, these rows.

    Returns:
        ``auc`` and its standard error; ``cut``: which side of ``bound`` holds most wrong rows (``above`` or
        ``below``); the shares of planted rows and of others on that side. NaN where a column has no values.
    """
    lines = []
    for column in WRONG_IF_HIGH.keys() & values.keys():
        high = WRONG_IF_HIGH[column]
        signed = values[column] if high else -values[column]
        area, error = auc(signed, marked)
        bound, found, others = best_cut(signed, marked)
        # A rule drops what lies beyond its bound: half a step further in, so that the rows at the bound are dropped.
        known = np.unique(signed[np.isfinite(signed)])
        place = int(np.searchsorted(known, bound)) if np.isfinite(bound) else 0
        between = (known[place - 1] + bound) / 2 if place else bound
        lines.append((column, area, error, "above" if high else "below", between if high else -between, found, others))
    frame = pl.DataFrame(lines, schema=SCHEMA, orient="row")
    return frame.with_columns(pl.col("auc").fill_nan(None)).sort(
        "auc", "column", descending=[True, False], nulls_last=True
    )


def advice(figures: pl.DataFrame, family: str, least: float) -> str:
    """Return in words whether rows may be dropped by a column, and by which.

    Args:
        figures: from :func:`planted_figures`.
        family: the name of the family of scores.
        least: AUC below which no cut is suggested.
    """
    best = figures.drop_nulls("auc").head(1).to_dicts()
    if not best:
        return "No cut: no column has values for planted and for other rows."
    top = best[0]
    said = f"`{family}.{top['column']}` (AUC {top['auc']:.2f} ± {1.96 * top['error']:.2f})"
    if top["auc"] < least:
        return (
            f"No cut is suggested. Of rows that were made wrong on purpose the best column, {said}, tells too little "
            f"(below {least:g}): with this model, what these columns call wrong is not wrong. Do not drop rows by them."
        )
    return (
        f"Best at rows that were made wrong on purpose: {said}. `{{score: {family}.{top['column']}, {top['cut']}: "
        f"{top['bound']:.4g}}}` under `drop` would have caught {top['found']:.0%} of them and {top['others']:.0%} of "
        "the others. Faults of another kind may look otherwise."
    )
