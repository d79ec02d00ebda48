"""What a selection says of itself, in figures and words: on the page of its release and on that of its table.

Belongs here: which rows are shown and what is counted. Does not belong here: HTML (``diagnostics.report``), reading the
texts of the rows.
"""

from collections.abc import Sequence

import polars as pl
import yaml

from datasel_assets.arrays.weights import effective_rows
from datasel_assets.diagnostics.report import html_report
from datasel_assets.recipes.interpreter import Selection
from datasel_assets.specs.recipe import RecipeSpec

SHOWN_ROWS = 8
"""Rows of each table of examples."""


def stages(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return how many rows stayed or fell at each stage: ``kept``, ``stage``, ``rows``, the most first."""
    return decisions.group_by("kept", "stage").len("rows").sort("rows", "stage", descending=[True, False])


def budget_used(selection: Selection) -> str:
    """Return how much of the budget was used, in words."""
    budget = selection.budget
    return f"{budget['used']:,} of {budget['allowed']:,} {budget['unit'].replace('_', ' ')} used"


def tokens(selection: Selection) -> tuple[int, int]:
    """Return the tokens of the selected rows, and those of their responses; what was not counted counts as none."""
    selected = selection.selected
    return int(selected["n_tokens"].sum() or 0), int(selected["n_response_tokens"].sum() or 0)


def effective_size(selection: Selection) -> float | None:
    """Return how many rows of equal weight say as much (``arrays.weights.effective_rows``); None where all weigh so."""
    weights = selection.selected["weight"].to_numpy()
    return round(effective_rows(weights), 1) if len(weights) and weights.min() < weights.max() else None


def best_rows(selection: Selection) -> pl.DataFrame:
    """Return the first rows of a selection, as ``ledger.SELECTED_SCHEMA``."""
    return selection.selected.sort("rank").head(SHOWN_ROWS)


def dropped_rows(selection: Selection) -> pl.DataFrame:
    """Return for each stage the decisions on a few rows that fell there, those that came nearest first."""
    dropped = selection.decisions.filter(~pl.col("kept"))
    nearest = dropped.sort("score", "row_id", descending=[True, False], nulls_last=True)
    return nearest.group_by("stage", maintain_order=True).head(SHOWN_ROWS // 2)


def some_changes(changed: pl.DataFrame) -> pl.DataFrame:
    """Return some rows that entered and some that left (``sticky.CHANGES_SCHEMA``), in this order."""
    return pl.concat([changed.filter(pl.col("change") == kind).head(SHOWN_ROWS) for kind in ("entered", "left")])


def release_report(
    name: str,
    spec: RecipeSpec,
    selection: Selection,
    kept: pl.DataFrame,
    dropped: pl.DataFrame,
    pictures: Sequence[tuple[bytes, str]],
) -> str:
    """Return the page of a release.

    Args:
        name: of the recipe.
        spec: the recipe.
        selection: what it selected.
        kept: the best rows, with ``rank``, ``score``, ``source``, ``prompt`` and ``response``.
        dropped: ``dropped_rows`` with ``prompt`` and ``response``.
        pictures: (PNG, caption).
    """
    all_tokens, response_tokens = tokens(selection)
    size = effective_size(selection)
    return html_report(
        title=name,
        summary=f"{spec.doc} Method: {spec.paper}" if spec.paper else spec.doc,
        recipe=yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True),
        facts={
            "rows selected": selection.selected.height,
            "rows in the pool": selection.decisions.height,
            "tokens": all_tokens,
            "response tokens": response_tokens,
            **({} if size is None else {"effective sample size": size}),
            "budget": budget_used(selection),
        },
        stages=stages(selection.decisions),
        pictures=pictures,
        kept=kept.select("rank", "score", "source", "prompt", "response"),
        dropped=dropped.select("stage", "reason", "score", "source", "prompt", "response"),
        footer="Every row of the pool has a decision: query the view 'why' of datasel.duckdb.",
    )
