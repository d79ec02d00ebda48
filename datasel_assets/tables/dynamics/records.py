"""How the records of a training stand in a table, and back. Not here: making them (``text``, ``labels``)."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from datasel_assets.indicators.dynamics import History

GIVEN = ("p_clean", "difficulty", "label_margin", "neighbour_disagreement")
"""Columns of the table that the training said itself."""

LISTS = {"losses": pl.Float32, "right": pl.Float32, "confidence": pl.Float32, "el2n": pl.Float32, "later": pl.Float32}

COLUMNS = {
    "losses": "Mean loss of a learned token (or of the label) at each presentation, before its step, in nats.",
    "right": "1 where the presentation counts as right, 0 where not.",
    "confidence": "Mean probability of a learned token, or that of the label, at each presentation.",
    "el2n": "Distance between the prediction and what came, at each presentation.",
    "exposures": "How often the row was presented.",
    "later": "1 where the row was still right after an epoch on the other half; null where there were no halves.",
    "p_clean": "Probability that the row is clean, by the mixture over wrong events.",
    "difficulty": "How many of the clean rows have fewer wrong events.",
    "label": "The label that the row was trained with.",
    "told": "The label that the classifier names at its end.",
    "label_margin": "Probability of the row's label minus that of the best other.",
    "neighbour_disagreement": "Share of the ten nearest rows with another label.",
}


def records_frame(history: History, more: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Return the records of n rows as columns; ``more``: further columns, ``row_id`` and ``source`` first."""
    n = len(history.right)
    columns: dict[str, pl.Series] = dict(more)
    for name, kind in LISTS.items():
        values = getattr(history, name)
        rows = values.astype(np.float32) if values.size else [None] * n
        lists = pl.Series(name, [None if r is None else r.tolist() for r in rows], dtype=pl.List(kind))
        columns[name] = lists
    columns["exposures"] = pl.Series(np.isfinite(history.right).sum(axis=1).astype(np.int32))
    for name in GIVEN:
        found = history.given.get(name)
        columns[name] = pl.Series(name, [None] * n if found is None else found, dtype=pl.Float32)
    return pl.DataFrame(columns)


def history_of(frame: pl.DataFrame, *, plentiful: bool) -> History:
    """Return the records of the rows of a table."""
    n = frame.height
    lists = {}
    for name in LISTS:
        column = frame[name]
        empty = not n or column.null_count() == n
        lists[name] = np.empty((0, 0)) if empty else np.array(column.to_list(), np.float64)
    if not lists["right"].size:
        lists["losses"] = lists["right"] = np.full((n, 1), np.nan)
    given = {name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in GIVEN}
    return History(**lists, given=given, plentiful=plentiful)
