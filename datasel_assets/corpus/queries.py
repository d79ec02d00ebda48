"""The examples of a query set: which of them are drawn, and what task each of them stands for. No files."""

import json

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample


def drawn(rows: pl.DataFrame, count: int | None, seed: int) -> pl.DataFrame:
    """Return a hash sample of ``count`` rows in their order; all rows where no number is given.

    Args:
        rows: with a column ``row_id``.
        count: how many at most.
        seed: chooses the sample.
    """
    return rows[np.sort(hash_sample(rows["row_id"].to_list(), count, seed))] if count else rows


def with_task(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Add the column ``task``: the field ``key`` of ``extra`` as text, or the row id where there is no such field.

    Args:
        rows: with ``row_id`` and ``extra``, a JSON object.
        key: name of the field.
    """
    named = zip(rows["row_id"], rows["extra"], strict=True)
    tasks = [str(json.loads(extra).get(key, row)) for row, extra in named]
    return rows.with_columns(task=pl.Series(tasks, dtype=pl.String))
