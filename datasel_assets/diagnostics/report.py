"""The page that comes with a release. Belongs here: preparing given facts for ``templates/report.html.j2``.

Nothing is computed here; how text is made safe and what a table looks like stands in ``page``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from datasel_assets.diagnostics.page import render, table


def html_report(
    *,
    title: str,
    summary: str,
    recipe: str,
    facts: Mapping[str, Any],
    stages: pl.DataFrame,
    pictures: Sequence[tuple[bytes, str]] = (),
    kept: pl.DataFrame | None = None,
    dropped: pl.DataFrame | None = None,
    comparison: pl.DataFrame | None = None,
    highlight: str = "",
    footer: str = "",
) -> str:
    """Return the report of a release as one HTML page that needs nothing else.

    Every input may hold hostile text: it is cut to 400 characters per cell, stripped of characters that act (control,
    bidirectional) and escaped. The page holds no clock, so the same inputs give the same bytes.

    Args:
        title: name of the release.
        summary: what was selected and why, in a sentence or two.
        recipe: the recipe as it was written (YAML), shown as it stands.
        facts: label -> number or short text: budget, rows, tokens, hashes.
        stages: decisions counted, for example the columns stage, reason, rows; shown in the given order.
        pictures: (PNG bytes, caption).
        kept: a sample of kept rows with the columns worth showing.
        dropped: a sample of dropped rows with the reason.
        comparison: one row per recipe, from ``comparison.compare``.
        highlight: first cell of the row of ``comparison`` that is this release.
        footer: versions, or where to read more.
    """
    return render(
        "report.html.j2",
        title=title,
        summary=summary,
        recipe=recipe,
        facts=facts,
        stages=table(stages),
        pictures=pictures,
        kept=table(kept),
        dropped=table(dropped),
        comparison=table(comparison, highlight),
        footer=footer,
    )
