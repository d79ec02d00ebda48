"""What the page of a score made of gradients shows: both ends with their texts, length, and likeness to the target.

Belongs here: the page. Does not belong here: the scores.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.length_matched import agreement, best_rows, length_matched
from datasel_assets.indicators.similarity import similarity
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.storage.lake import Key
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.shown import Rows, picture, sample_table
from datasel_assets.tables.table import Step
from datasel_assets.tables.vectors.representations import BASIS, REPRESENTATIONS, layers_of, target_vectors
from datasel_assets.tables.warehouse import Warehouse

HELPFUL = ("most helpful rows", "most harmful rows", "least helpful rows")
"""Both ends of influence; the last is the low end where no row does harm."""

SHOWN = 5
EXCERPT_CHARS = 100
TOP = 0.1
"""The share of the rows that is looked at as what a selection would take."""


def score_page(
    step: Step, title: str, ends: Sequence[str], similar: tuple[str, np.ndarray] | None = None
) -> dict[str, Any]:
    """Return the figures of a published table with a column ``score``.

    Args:
        step: that made it.
        title: of the picture.
        ends: what the rows with the highest and with the lowest scores are called; a third word is for the lowest
            where no score is below 0.
        similar: a representation, and the likeness of the rows, by id, to the target in it.
    """
    lake = step.warehouse.lake
    texts = lake.scan(("corpus", str(step.source))).select("row_id", "prompt", "response", "n_response_tokens")
    found = lake.scan(step.expected.key).select("row_id", "score").join(texts, on="row_id").collect().sort("row_id")
    values = found["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = found.filter(pl.col("score").is_not_nan()).sort("score", "row_id", descending=[True, False])
    best, worst = known.head(SHOWN), known.tail(SHOWN).reverse()
    signed = len(ends) > 2
    below = int((known["score"] < 0).sum())
    alike = {}
    if similar is not None and len(similar[1]) == len(values):
        rank, overlap = agreement(values, similar[1], TOP)
        alike = {
            "likeness_by": similar[0],
            "spearman_with_likeness": round(rank, 3),
            "highest_tenth_that_is_also_likest": round(overlap, 3),
        }
    return {
        "rows_without_score": found.height - known.height,
        **({"rows_that_do_harm": below} if signed else {}),
        **_length(known),
        **alike,
        "plot: scores": picture(plots.score_grid({title: values}, title), f"distribution of {title}"),
        ends[0]: _texts(best),
        ends[2 if signed and not below else 1]: _texts(worst),
    }


def likeness_by(spec: InfluenceSpec, registry: Registry) -> str | None:
    """Return the representation in which rows are compared with the target of a score, for its page; None without one.

    That by whose clusters recipes are balanced, or else the first that an encoder makes.
    """
    there = [name for name, own in sorted(registry.representations.items()) if own.encoded]
    if spec.target is None or not there:
        return None
    return registry.clustered if registry.clustered in there else there[0]


def likeness_reads(representation: str | None, target: str | None, registry: Registry) -> list[Key]:
    """Return the tables that :func:`likeness` reads."""
    if representation is None or target is None:
        return []
    layers = layers_of(registry.representations[representation])
    return [(REPRESENTATIONS.name, representation), (BASIS.name, representation), layers.target_key(target)]


def likeness(
    warehouse: Warehouse, source: str | None, representation: str | None, target: str | None, reduce: str
) -> tuple[str, np.ndarray] | None:
    """Return a representation and the likeness of the rows of a source to a target in it; None where it is not there.

    Args:
        warehouse: of the tables.
        source: of the rows, which come by id.
        representation: from :func:`likeness_by`.
        target: a file of ``targets/``.
        reduce: ``mean`` cosine with the examples, or else that of the nearest one; NaN where a row has no vector.
    """
    if representation is None or target is None:
        return None
    key = (REPRESENTATIONS.name, representation, str(source))
    if warehouse.lake.info(key) is None:
        return None
    rows = warehouse.lake.scan(key).select("row_id", "vector").collect().sort("row_id")
    _, examples = target_vectors(warehouse, representation, warehouse.registry.representations[representation], target)
    to = "mean" if reduce == "mean" else "nearest"
    return representation, similarity(np.nan_to_num(vectors_of(rows["vector"])), examples, to)


def _length(known: pl.DataFrame) -> dict[str, Any]:
    """Return how far the length of the response explains a score; rows by descending score."""
    if known.is_empty():
        return {}
    scores = known["score"].cast(pl.Float64).to_numpy()
    lengths = known["n_response_tokens"].cast(pl.Float64).to_numpy()
    best = best_rows(scores, TOP)
    found = length_matched(scores, lengths, best)
    return {
        "spearman_with_response_tokens": round(agreement(scores, lengths, TOP)[0], 3),
        "response_tokens_of_the_highest_tenth": float(np.median(lengths[best])),
        "response_tokens_of_all": float(np.median(lengths)),
        "mean_score": Rows(
            {"rows": None, "mean score": None},
            [
                ["the highest tenth", _short(found.best)],
                ["others that are as long", _short(found.matched)],
                ["all", _short(found.every)],
            ],
        ),
    }


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _texts(rows: pl.DataFrame) -> Rows:
    shown = rows.select(
        pl.col("score").round_sig_figs(3),
        "n_response_tokens",
        pl.col("prompt", "response").str.slice(0, EXCERPT_CHARS),
        "row_id",
    )
    return sample_table(shown, shown.columns, rows=SHOWN)
