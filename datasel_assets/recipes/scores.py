"""The score columns of a recipe: its own blends, and the column that the sampler maximises.

Belongs here: which way round a score is, and blends written inside a recipe. Does not: the arithmetic of a blend
(``indicators.blend``), reading tables.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators.blend import KIND as BLEND
from datasel_assets.indicators.blend import blend, percentile_rank
from datasel_assets.specs.recipe import RecipeSpec, SelectSpec


def with_blends(spec: RecipeSpec, pool: pl.DataFrame, keep: Mapping[str, str]) -> pl.DataFrame:
    """Return the pool with a column ``blend.<name>`` for each blend that the recipe itself defines."""
    made = {}
    for name, own in spec.scores.items():
        values = {entry.score: numbers(pool, entry.score) for entry in own.inputs}
        made[f"{BLEND.name}.{name}"] = pl.Series(blend(own, values, keep, pool["source"].to_numpy().astype(np.str_)))
    return pool.with_columns(**{name: column.fill_nan(None) for name, column in made.items()})


def to_maximise(select: SelectSpec, pool: pl.DataFrame, keep: Mapping[str, str]) -> np.ndarray | None:
    """Return the score (n,) float64 that the sampler maximises, NaN where it is missing; None if it reads none."""
    if select.score is None:
        return None
    return oriented(numbers(pool, select.score), direction(select, keep))


def oriented(values: np.ndarray, wanted: str) -> np.ndarray:
    """Return values (n,) float64 such that the greatest is the best, NaN where it is missing.

    Args:
        values: (n,) float64.
        wanted: ``high``, ``low`` or ``mid`` (nearest to the median rank).
    """
    if wanted == "high":
        return values
    if wanted == "low":
        return -values
    known = ~np.isnan(values)
    nearness = np.full(len(values), np.nan)
    if known.any():
        nearness[known] = -np.abs(percentile_rank(values[known]) - 0.5)
    return nearness


def direction(select: SelectSpec, keep: Mapping[str, str]) -> str:
    """Return ``high``, ``low`` or ``mid``: which values of its score the sampler prefers."""
    params: Any = select.params
    params = params.inner.params if hasattr(params, "inner") else params
    said = getattr(params, "keep", "high")
    return keep.get(str(select.score), "high") if said == "auto" else said


def numbers(pool: pl.DataFrame, column: str) -> np.ndarray:
    """Return a column as float64 (n,), NaN where it is null.

    Raises:
        ValueError: the pool has no such column.
    """
    if column not in pool.columns:
        raise ValueError(f"the pool has no column {column!r} (it has {', '.join(pool.columns)})")
    return pool[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
