"""What the page of a score made of gradients shows: both ends with their texts, and how far length explains it.

Belongs here: the page. Does not belong here: the scores.
"""

from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.lds import spearman
from datasel_assets.tables.shown import Rows, picture, sample_table
from datasel_assets.tables.table import Step

SHOWN = 5
EXCERPT_CHARS = 100


def score_page(step: Step, title: str, ends: tuple[str, str]) -> dict[str, Any]:
    """Return the figures of a published table with a column ``score``.

    Args:
        step: that made it.
        title: of the picture.
        ends: what the rows with the highest and with the lowest scores are called.
    """
    lake = step.warehouse.lake
    texts = lake.scan(("corpus", str(step.source))).select("row_id", "prompt", "response", "n_response_tokens")
    found = lake.scan(step.expected.key).select("row_id", "score").join(texts, on="row_id").collect()
    values = found["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = found.filter(pl.col("score").is_not_nan()).sort("score", "row_id", descending=[True, False])
    best, worst = known.head(SHOWN), known.tail(SHOWN).reverse()
    lengths = known["n_response_tokens"].to_numpy()
    return {
        "rows_without_score": found.height - known.height,
        "spearman_with_response_tokens": round(spearman(known["score"].to_numpy(), lengths), 3),
        "response_tokens_of_the_highest_tenth": _median(known.head(max(1, known.height // 10))),
        "response_tokens_of_all": _median(known),
        "plot: scores": picture(plots.score_grid({title: values}, title), f"distribution of {title}"),
        ends[0]: _texts(best),
        ends[1]: _texts(worst),
    }


def _median(rows: pl.DataFrame) -> float:
    found = rows["n_response_tokens"].median()
    return float(found) if isinstance(found, int | float) else 0.0


def _texts(rows: pl.DataFrame) -> Rows:
    shown = rows.select(
        pl.col("score").round_sig_figs(3),
        "n_response_tokens",
        pl.col("prompt", "response").str.slice(0, EXCERPT_CHARS),
        "row_id",
    )
    return sample_table(shown, shown.columns, rows=SHOWN)
