"""Recipes against the random arm. Belongs here: on which measures a recipe is better than rows drawn at random."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl

from datasel_assets.diagnostics.measures import MEASURES, Measure


@dataclass(frozen=True)
class Verdict:
    """One recipe held against the random arm.

    Attributes:
        recipe: its name.
        beats: measures on which it is better.
        behind: measures on which it is not: equal counts as not better, a recipe costs and the random arm does not.
        rows: its rows over those of the random arm; None where rows are not known. Most measures depend on the number
            of rows, so far from 1 the comparison says little.
    """

    recipe: str
    beats: tuple[str, ...]
    behind: tuple[str, ...]
    rows: float | None

    @property
    def comparable(self) -> bool:
        """Whether both hold about the same number of rows (within a tenth)."""
        return self.rows is None or abs(self.rows - 1) <= 0.1


def against_random(
    figures: pl.DataFrame,
    measures: Mapping[str, Measure] = MEASURES,
    random: str = "random",
    aims: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[Verdict]:
    """Return a verdict for every recipe but the random arm, over the measures that are judged and have a better side.

    One draw is one draw: a difference may be luck. Measures that either side lacks are left out.

    Args:
        figures: a column ``recipe`` and one per measure; a column ``rows`` where known.
        measures: what may be judged.
        random: the recipe all others are held against.
        aims: recipe -> measures that are not judged in general but are what it selects for; they come first.

    Returns:
        In the order of the frame; empty where there is no random arm.
    """
    arm = figures.filter(pl.col("recipe") == random)
    if not arm.height:
        return []
    base = arm.row(0, named=True)
    found = []
    for row in figures.filter(pl.col("recipe") != random).iter_rows(named=True):
        beats, behind = [], []
        own = aims.get(row["recipe"], ())
        for name, measure in sorted(measures.items(), key=lambda item: item[0] not in own):
            gain = _number(row.get(name)) - _number(base.get(name))
            if measure.better is None or not (measure.judged or name in own) or np.isnan(gain):
                continue
            better = gain > 0 if measure.better == "high" else gain < 0
            (beats if better else behind).append(name)
        counted = row.get("rows") is not None and base.get("rows")
        rows = row["rows"] / base["rows"] if counted else None
        found.append(Verdict(row["recipe"], tuple(beats), tuple(behind), rows))
    return found


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
