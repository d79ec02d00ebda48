"""The pictures that go with one selection, and those that go with several side by side.

Belongs here: which columns of a pool become which picture, in which order. Does not belong here: drawing (``plots``),
figures, and where the pictures are shown.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.measures import Measure
from datasel_assets.diagnostics.overlap import jaccard_matrix

Captioned = tuple[bytes, str]
"""A PNG and what it shows."""


def selection_pictures(
    pool: pl.DataFrame,
    row_ids: pl.Series,
    scores: np.ndarray,
    groups: Mapping[str, str],
    clusters: Sequence[str] | None = None,
) -> list[Captioned]:
    """Return what a selection looks like beside its pool.

    Args:
        pool: columns ``row_id``, ``source``, ``n_response_tokens``, those of ``groups``, and ``cluster`` where
            ``clusters`` are given.
        row_ids: of the selection.
        scores: (m,) what the sampler gave the rows that it scored; drawn where they are not all alike.
        groups: further column of the pool -> what it is called; one picture of shares each.
        clusters: title of each cluster.
    """
    chosen = pool.filter(pl.col("row_id").is_in(row_ids.implode()))
    lengths = plots.length_histogram(_floats(pool["n_response_tokens"]), _floats(chosen["n_response_tokens"]))
    pictures = [
        (plots.source_shares(_largest(pool, "source"), _largest(chosen, "source")), "share of each source"),
        (lengths, "response tokens, pool and selection"),
    ]
    if len(np.unique(scores)) > 1:
        best_first = np.sort(scores)[::-1]
        pictures.append((plots.score_curve(best_first, len(row_ids)), "score by rank, with the cut"))
    for column, called in groups.items():
        shares = plots.source_shares(_largest(pool, column), _largest(chosen, column))
        pictures.append((shares, f"share of each {called}"))
    if clusters is not None:
        of_pool, of_chosen = (titled(_largest(frame, "cluster"), clusters) for frame in (pool, chosen))
        pictures.append((plots.source_shares(of_pool, of_chosen), "share of each cluster"))
    return pictures


def comparison_pictures(
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    figures: pl.DataFrame,
    aims: Sequence[Measure],
    clusters: Sequence[str] | None = None,
) -> list[Captioned]:
    """Return what several selections look like side by side.

    Args:
        pool: columns ``row_id``, ``source``, ``n_response_tokens``, and ``cluster`` where ``clusters`` are given.
        chosen: name of a selection -> its row ids.
        figures: columns ``recipe`` (in the order of ``chosen``), ``vendi``, ``cpu_seconds`` and those of ``aims``.
        aims: what selections may be good at; the first that is known lies across, the next target is the colour.
        clusters: title of each cluster.
    """
    names = list(chosen)
    parts = {name: pool.filter(pl.col("row_id").is_in(pl.Series(ids).implode())) for name, ids in chosen.items()}
    pictures = []
    across = next((aim for aim in aims if figures[aim.name].count()), None)
    if across:
        colour = next((aim for aim in aims if not aim.judged and aim != across), None)
        scatter = plots.recipe_scatter(
            names,
            _floats(figures[across.name]),
            _floats(figures["vendi"]),
            x_title=across.title,
            y_title="Vendi: effective number of different rows",
            colour=_floats(figures[colour.name]) if colour else None,
            colour_title=colour.title if colour else "",
        )
        pictures.append((scatter, "quality, diversity and target"))
    pictures.append((plots.overlap_heatmap(names, jaccard_matrix(chosen)), "overlap of the recipes"))
    if clusters is not None:
        sizes = {name: _sizes(part, len(clusters)) for name, part in parts.items()}
        pictures.append((plots.cluster_occupancy(_sizes(pool, len(clusters)), sizes, clusters), "clusters"))
    mix = {name: _by_name(part, "source") for name, part in parts.items()}
    pictures.append((plots.source_mix(_by_name(pool, "source"), mix), "mix of sources"))
    lengths = {name: _floats(part["n_response_tokens"]) for name, part in parts.items()}
    pictures.append((plots.length_profiles(lengths, _floats(pool["n_response_tokens"])), "response tokens"))
    costs = {name: value for name, value in figures.select("recipe", "cpu_seconds").iter_rows() if value is not None}
    return [*pictures, (plots.cost_bars(costs), "cost of the selections")]


def titled(counts: Mapping[str, int], titles: Sequence[str]) -> dict[str, int]:
    """Return counts by the title of a cluster instead of its number; a number without a title stays.

    >>> titled({"1": 4, "7": 2}, ["sums", "fruit"])
    {'fruit': 4, '7': 2}
    """
    return {titles[int(key)] if int(key) < len(titles) else key: count for key, count in counts.items()}


def _largest(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """Return the rows of each value that is known, the most frequent first."""
    found = frame.drop_nulls(column).group_by(column).len().sort("len", column, descending=[True, False])
    return {str(key): count for key, count in found.iter_rows()}


def _by_name(frame: pl.DataFrame, column: str) -> dict[str, float]:
    return {str(key): float(count) for key, count in frame.group_by(column).len().sort(column).iter_rows()}


def _sizes(frame: pl.DataFrame, k: int) -> np.ndarray:
    labels = frame["cluster"].drop_nulls().to_numpy()
    return np.bincount(labels[labels >= 0], minlength=k)


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
