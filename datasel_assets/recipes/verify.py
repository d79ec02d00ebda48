"""What must hold of a selection before it is published, counted again from its tables.

Belongs here: checks that know nothing of how the rows were chosen. Does not belong here: choosing (``interpreter``).
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from datasel_assets.recipes.interpreter import Selection


def refuse_flawed(selection: Selection, pool: pl.DataFrame) -> None:
    """Refuse a selection that is not what its recipe asked for.

    Args:
        selection: of ``interpreter.run_recipe``.
        pool: what it was made from, with ``row_id`` and ``contaminated`` (null where the row holds no evaluation item).

    Raises:
        ValueError: rows without or with two decisions, more than the budget, rows that hold items of an evaluation, or
            no rows at all.
    """
    decided = selection.decisions["row_id"]
    if decided.len() != pool.height or decided.n_unique() != pool.height:
        raise ValueError(f"{decided.n_unique()} of {pool.height} rows have a decision; nothing was published")
    if not selection.within_budget:
        raise ValueError(f"the selection breaks its budget: {selection.budget}; nothing was published")
    if leaks := len(_leaks(selection, pool)):
        raise ValueError(f"{leaks} selected rows hold items of an evaluation; nothing was published")
    if selection.selected.is_empty():
        raise ValueError(f"no row is selected: {_emptied(selection.decisions)}; nothing was published")


def _emptied(decisions: pl.DataFrame) -> str:
    """Say which steps of the recipe turned down all rows of the pool, the one that took most first."""
    if decisions.is_empty():
        return "the pool has no rows; look at the quarantine of its sources"
    taken = decisions.group_by("stage").agg(pl.len(), pl.col("reason").mode().sort().first())
    steps = taken.sort("len", "stage", descending=[True, False]).rows()
    said = "; ".join(
        f"{stage} turned down {count:,} of {decisions.height:,} ({reason})" for stage, count, reason in steps
    )
    return f"{said}. Loosen that step"


def outcomes(
    selection: Selection, pool: pl.DataFrame, evaluations: Iterable[str]
) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Return for each check whether a selection passes it, and the figures that say so.

    Args:
        selection: as above.
        pool: as above.
        evaluations: names of those whose items were looked for.
    """
    selected, decisions = selection.selected, selection.decisions
    kept_out = int(pool["contaminated"].is_not_null().sum())
    return {
        "budget_respected": (selection.within_budget, selection.budget),
        "unique_ids": (selected["row_id"].n_unique() == selected.height, {}),
        "no_evaluation_items": (
            _leaks(selection, pool).is_empty(),
            {"evaluations": ", ".join(sorted(evaluations)) or "none", "rows_kept_out": kept_out},
        ),
        "ledger_complete": (
            decisions.height == pool.height
            and decisions["row_id"].n_unique() == pool.height
            and int(decisions["kept"].sum()) == selected.height,
            {"pool": pool.height, "decisions": decisions.height},
        ),
    }


def _leaks(selection: Selection, pool: pl.DataFrame) -> pl.Series:
    """Return the ids of the selected rows that hold items of an evaluation."""
    leaks = pool.filter(pl.col("contaminated").is_not_null())
    return selection.selected.join(leaks, on="row_id", how="semi")["row_id"]
