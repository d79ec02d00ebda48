"""Which labels resemble each other, from their vectors. Not here: what the labels are, how they are embedded."""

import numpy as np
import polars as pl

_BLOCK = 1024


def label_graph(labels: pl.Series, rows: pl.Series, vectors: np.ndarray, threshold: float) -> pl.DataFrame:
    """Return one line per label with its neighbours: labels whose vectors have a cosine of at least ``threshold``.

    Cosines are computed in float32 from unit vectors and rounded to 1e-6 before they meet the threshold, so that the
    order of a sum decides nothing; each pair is computed once, so the graph is symmetric to the last bit. A label is
    not its own neighbour.

    Args:
        labels: (m,) distinct strings.
        rows: (m,) rows that have each label.
        vectors: (m, d) of any length; a zero vector has no neighbours.
        threshold: above 0.

    Returns:
        ``label``, ``rows``, ``degree``, ``neighbours`` and ``similarities`` (lists, most similar first), in the order
        of ``labels``. Memory: 4 m d bytes, and 4 m per row of a block of 1,024.
    """
    unit = np.asarray(vectors, np.float32)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.divide(unit, length, out=np.zeros_like(unit), where=length > 0)
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    for start in range(0, len(unit), _BLOCK):
        similar = np.round(unit[start : start + _BLOCK] @ unit[start:].T, 6)
        a, b = np.nonzero(similar >= threshold)
        later = b > a
        parts.append((a[later] + start, b[later] + start, np.minimum(similar[a[later], b[later]], 1)))
    first, second, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    names = labels.to_list()
    edges = pl.DataFrame(
        {
            "node": np.concatenate([first, second]),
            "neighbours": np.concatenate([second, first]),
            "similarities": np.concatenate([value, value]),
        }
    )
    lists = (
        edges.sort(["node", "similarities", "neighbours"], descending=[False, True, False])
        .group_by("node", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("degree"), "neighbours", "similarities")
    )
    empty = pl.lit([], dtype=pl.List(pl.Int64)), pl.lit([], dtype=pl.List(pl.Float32))
    joined = pl.DataFrame({"node": np.arange(len(names), dtype=np.int64)}).join(lists, on="node", how="left")
    numbers = pl.element().replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)
    return joined.sort("node").select(
        label=pl.Series("label", names, dtype=pl.String),
        rows=pl.Series("rows", rows, dtype=pl.Int64),
        degree=pl.col("degree").fill_null(0),
        neighbours=pl.col("neighbours").fill_null(empty[0]).list.eval(numbers),
        similarities=pl.col("similarities").fill_null(empty[1]),
    )
