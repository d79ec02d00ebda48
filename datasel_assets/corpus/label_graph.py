"""Which labels resemble each other, from their vectors, and what such a graph is like.

Not here: what the labels are (``vocabulary``), how they are embedded.
"""

import numpy as np
import polars as pl
from scipy.sparse import csr_array

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


def adjacency(graph: pl.DataFrame) -> csr_array:
    """Return the similarities of a :func:`label_graph` as a matrix (m, m) float64, in its order; the diagonal is 0."""
    names = graph["label"].to_list()
    degree = graph["degree"].to_numpy()
    if not degree.sum():
        return csr_array((len(names), len(names)), dtype=np.float64)
    edges = _edges(graph)
    to = edges["neighbours"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    values = edges["similarities"].to_numpy().astype(np.float64)
    return csr_array((values, (np.repeat(np.arange(len(names)), degree), to)), shape=(len(names), len(names)))


def graph_figures(graph: pl.DataFrame) -> dict[str, float]:
    """Return what a :func:`label_graph` is like.

    Returns:
        How many ``labels`` and ``edges``; ``sparsity``: share of the pairs of labels that are no edge, 1 without pairs;
        ``mean_degree``; quantiles of the degree as ``degree_50``, ``degree_90``, ``degree_99`` and ``degree_100``;
        ``labels_without_neighbours``.
    """
    labels, degree = graph.height, graph["degree"]
    edges = int(degree.sum()) // 2
    pairs = labels * (labels - 1) / 2
    return {
        "labels": labels,
        "edges": edges,
        "sparsity": float(1 - edges / pairs) if pairs else 1.0,
        "mean_degree": float(degree.mean() or 0.0),  # type: ignore[arg-type]  # of numbers
        **{f"degree_{int(100 * q)}": float(degree.quantile(q, "nearest") or 0.0) for q in (0.5, 0.9, 0.99, 1.0)},
        "labels_without_neighbours": int((degree == 0).sum()),
    }


def one_sided_edges(graph: pl.DataFrame) -> int:
    """Return how many entries say of a neighbour what the neighbour does not say too; 0 for a symmetric graph."""
    edges = _edges(graph)
    turned = edges.select(label="neighbours", neighbours="label", similarities="similarities")
    return edges.join(turned, on=["label", "neighbours", "similarities"], how="anti").height


def least_similarity(graph: pl.DataFrame) -> float:
    """Return the smallest similarity of two neighbours; 1 in a graph without edges."""
    return float(_edges(graph)["similarities"].min() or 1.0)  # type: ignore[arg-type]  # of numbers


def _edges(graph: pl.DataFrame) -> pl.DataFrame:
    """Return one line per entry, in the order of the graph: ``label``, ``neighbours``, ``similarities``."""
    connected = graph.filter(pl.col("degree") > 0).select("label", "neighbours", "similarities")
    return connected.explode("neighbours", "similarities")
