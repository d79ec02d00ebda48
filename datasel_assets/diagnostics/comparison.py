"""Recipes side by side. Belongs here: one row of figures per selection, from a frame of the pool and lists of ids."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from datasel_assets.diagnostics.coverage import coverage
from datasel_assets.diagnostics.overlap import jaccard_matrix
from datasel_assets.diagnostics.profile import profile

POOL_COLUMNS = ("row_id", "source", "n_tokens", "n_response_tokens", "cluster", "duplicate_of")

COMPARISON_SCHEMA = pl.Schema(
    {
        "recipe": pl.String,
        "rows": pl.Int64,
        "tokens": pl.Int64,
        "response_tokens": pl.Int64,
        "mean_response_tokens": pl.Float64,
        "median_response_tokens": pl.Float64,
        "sources_covered": pl.Int64,
        "source_share": pl.Float64,
        "effective_sources": pl.Float64,
        "clusters_covered": pl.Int64,
        "cluster_share": pl.Float64,
        "effective_clusters": pl.Float64,
        "duplicates_left": pl.Int64,
        "overlap_with_random": pl.Float64,
        "overlap_with_longest": pl.Float64,
        "seconds": pl.Float64,
        "top_sources": pl.String,
    }
)


def compare(
    pool: pl.DataFrame,
    selections: Mapping[str, Sequence[str] | np.ndarray],
    *,
    seconds: Mapping[str, float] | None = None,
    random: str = "random",
    longest: str = "longest",
) -> pl.DataFrame:
    """Return one row per selection with what it holds, how widely it spreads and what it cost.

    Args:
        pool: one row per row of the pool with the columns ``row_id``, ``source``, ``n_tokens``,
            ``n_response_tokens`` (null = not counted), ``cluster`` (int, null or negative = none) and
            ``duplicate_of`` (the row this one repeats, null = none).
        selections: recipe -> selected row ids.
        seconds: recipe -> seconds its selection took.
        random: name of the random arm among the selections.
        longest: name of the longest-response arm.

    Returns:
        A frame of ``COMPARISON_SCHEMA`` in the order of ``selections``. ``source_share`` and ``cluster_share`` are
        parts of what the pool has; ``effective_*`` are Hill numbers of order 1; ``top_sources`` reads
        ``"a 62 %, b 30 %, c 5 %"``; ``duplicates_left`` counts selected rows beyond the first of each group of
        repeats; figures that need an input not
        given are null.

    Raises:
        ValueError: a column is missing, or a selection holds ids that the pool does not, or an id twice.
    """
    missing = [name for name in POOL_COLUMNS if name not in pool.columns]
    if missing:
        raise ValueError(f"the pool lacks the columns {missing}: a comparison needs {list(POOL_COLUMNS)}")
    clusters = int(pool.select(pl.col("cluster").max()).item() or 0) + 1 if pool["cluster"].count() else 0
    groups = pool.select(
        "row_id",
        "n_tokens",
        "n_response_tokens",
        "source",
        cluster=pl.col("cluster").fill_null(-1).cast(pl.Int64),
        root=pl.coalesce("duplicate_of", "row_id"),
    )
    used = groups.filter(pl.col("cluster") >= 0)["cluster"].unique().sort()
    # Clusters are counted as the pool fills them: one that only the fitting sample had cannot be covered.
    numbers = np.full(clusters + 1, -1, np.int64)
    numbers[used.to_numpy()] = np.arange(len(used))
    sources = pool["source"].n_unique()
    names = list(selections)
    overlap = jaccard_matrix(selections)
    rows = []
    for index, (name, ids) in enumerate(selections.items()):
        part = _part(name, ids, groups)
        tokens = profile(_floats(part["n_tokens"]))
        responses = profile(_floats(part["n_response_tokens"]))
        by_source = part.group_by("source").len().sort(["len", "source"], descending=[True, False])
        by_source_codes = np.repeat(np.arange(by_source.height), by_source["len"].to_numpy())
        spread = coverage(by_source_codes, sources)
        clustered = coverage(numbers[part["cluster"].to_numpy()], len(used))
        rows.append(
            {
                "recipe": name,
                "rows": part.height,
                "tokens": int(tokens.total) if tokens.rows else None,
                "response_tokens": int(responses.total) if responses.rows else None,
                "mean_response_tokens": _known(responses.mean),
                "median_response_tokens": _known(responses.median),
                "sources_covered": spread.covered,
                "source_share": _known(spread.share),
                "effective_sources": spread.effective,
                "top_sources": _shares(by_source, part.height),
                "clusters_covered": clustered.covered if len(used) else None,
                "cluster_share": _known(clustered.share),
                "effective_clusters": clustered.effective if len(used) else None,
                "duplicates_left": part.height - part["root"].n_unique(),
                "overlap_with_random": _overlap(overlap, names, index, random),
                "overlap_with_longest": _overlap(overlap, names, index, longest),
                "seconds": (seconds or {}).get(name),
            }
        )
    return pl.DataFrame(rows, schema=COMPARISON_SCHEMA)


def _part(name: str, ids: Sequence[str] | np.ndarray, groups: pl.DataFrame) -> pl.DataFrame:
    wanted = pl.DataFrame({"row_id": pl.Series(list(ids), dtype=pl.String)})
    if wanted["row_id"].n_unique() != wanted.height:
        raise ValueError(f"the selection {name!r} holds an id twice")
    part = wanted.join(groups, on="row_id", how="inner")
    if part.height != wanted.height:
        strange = wanted.join(groups, on="row_id", how="anti")["row_id"]
        raise ValueError(
            f"the selection {name!r} holds {len(strange)} ids that the pool lacks (first: {strange[0]}): "
            "it was made from another pool, select again"
        )
    return part


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _shares(by_source: pl.DataFrame, rows: int) -> str:
    return ", ".join(f"{source} {100 * count / rows:.0f} %" for source, count in by_source.head(3).iter_rows())


def _overlap(matrix: np.ndarray, names: list[str], index: int, arm: str) -> float | None:
    return float(matrix[index, names.index(arm)]) if arm in names else None
