"""Pictures of clusters: the map and the sizes."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.clusters.projection import project_2d
from datasel_assets.diagnostics.plots import canvas
from datasel_assets.diagnostics.plots.labels import place_labels

_LABELLED = 14
_SHOWN = 20
_POINTS = 2000


def cluster_map(
    points: np.ndarray,
    labels: np.ndarray,
    centroids: np.ndarray,
    titles: Sequence[str],
    sizes: np.ndarray | None = None,
) -> bytes:
    """Draw a sample of rows and the clusters they belong to, the largest clusters by name.

    Rows and cluster means lie on the principal axes of the means, weighted by size (a unit centroid would lie outside
    its own cloud). The area of a disc is the size of the cluster; colours only tell neighbours apart.

    Args:
        points: (n, d) vectors of a sample of rows; above 2000 evenly spaced ones are drawn.
        labels: int (n,) cluster of each, -1 = none.
        centroids: (k, d).
        titles: k names, from ``clusters.titles``.
        sizes: (k,) rows per cluster; default: counted from ``labels``.

    Returns:
        PNG, at most 60 KB.
    """
    labels, centroids, points = np.asarray(labels), np.asarray(centroids), np.asarray(points)
    k = len(centroids)
    if sizes is None:
        sizes = np.bincount(labels[labels >= 0], minlength=k)
    sizes = np.asarray(sizes, np.float64)
    shown = np.flatnonzero(labels >= 0)
    shown = shown[np.linspace(0, len(shown) - 1, min(len(shown), _POINTS)).astype(int)]
    middles = _middles(points[shown], labels[shown], centroids)
    projection = project_2d(middles, sizes if sizes.sum() else None)
    x, y = projection.explained
    fig, axes = canvas.figure(
        5.6,
        f"Map of {k:,} clusters",
        f"principal axes of the cluster means ({100 * x:.0f} % + {100 * y:.0f} % of their variance); disc area = rows",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    if k == 0:
        canvas.empty(axes, "no cluster: no row has a vector")
        return canvas.to_png(fig)
    centres = projection.coordinates
    colours = [canvas.CYCLE[i] for i in _neighbour_colours(centres)]
    rows = projection.place(points[shown]) if len(shown) else np.zeros((0, 2))
    # Opaque tints and not transparency: the palette of the file has few colours.
    tints = [canvas.tint(colour, 0.5) for colour in colours]
    axes.scatter(rows[:, 0], rows[:, 1], s=3, c=[tints[i] for i in labels[shown]], linewidths=0)
    area = 16 + 330 * sizes / max(sizes.max(), 1)
    axes.scatter(centres[:, 0], centres[:, 1], s=area, c=colours, linewidths=0.9, edgecolors="white")
    _frame(axes, centres, rows)
    order = np.argsort(-sizes, kind="stable")
    named = order[: 4 * _LABELLED]
    shown_titles = [str(titles[i]) for i in named]
    place_labels(fig, axes, centres[order], np.sqrt(area[order] / np.pi), shown_titles, limit=_LABELLED)
    return canvas.to_png(fig)


def cluster_sizes(sizes: np.ndarray, titles: Sequence[str]) -> bytes:
    """Draw the rows of the 20 largest clusters as bars, and say what the others hold.

    Args:
        sizes: (k,) rows per cluster.
        titles: k names.
    """
    sizes = np.asarray(sizes)
    order = np.argsort(-sizes, kind="stable")[:_SHOWN]
    total = int(sizes.sum())
    rest = len(sizes) - len(order)
    note = f"{total:,} rows"
    if rest:
        left = total - int(sizes[order].sum())
        note += f"; the other {rest:,} clusters hold {left:,} ({100 * left / max(total, 1):.0f} %)"
    fig, axes = canvas.figure(0.8 + 0.235 * max(len(order), 2), f"Rows per cluster, largest of {len(sizes):,}", note)
    if not len(order):
        canvas.empty(axes, "no cluster")
        return canvas.to_png(fig)
    axes.barh(range(len(order)), sizes[order], height=0.72, color=canvas.SELECTED)
    for position, cluster in enumerate(order):
        axes.annotate(
            f"{sizes[cluster]:,}", (sizes[cluster], position), (3, 0), textcoords="offset points", va="center",
            fontsize=8, **canvas.font(canvas.MUTED),
        )  # fmt: skip
    canvas.names(axes, [str(titles[i]) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(0, max(float(sizes.max()), 1) * 1.1)
    axes.set_xticks([])
    return canvas.to_png(fig)


def _middles(points: np.ndarray, labels: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the mean row of each cluster; the centroid where none of its rows is in the sample."""
    counts = np.bincount(labels, minlength=len(centroids))
    sums = np.zeros(centroids.shape, np.float64)
    np.add.at(sums, labels, points)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centroids)


def _neighbour_colours(centres: np.ndarray) -> np.ndarray:
    """Give each disc the colour that its nearest already coloured discs use least."""
    colours = np.zeros(len(centres), int)
    for i in range(1, len(centres)):
        near = np.argsort(((centres[:i] - centres[i]) ** 2).sum(1), kind="stable")[: 2 * len(canvas.CYCLE)]
        last_seen = np.full(len(canvas.CYCLE), np.inf)
        for rank, other in reversed(list(enumerate(near))):
            last_seen[colours[other]] = rank
        colours[i] = int(np.argmax(last_seen))
    return colours


def _frame(axes, centres: np.ndarray, rows: np.ndarray) -> None:
    """Fit the view to the centroids and the bulk of the rows, so that one outlier does not shrink everything."""
    bulk = np.vstack([centres, *([np.quantile(rows, [0.005, 0.995], axis=0)] if len(rows) else [])])
    low, high = bulk.min(axis=0), bulk.max(axis=0)
    margin = np.maximum((high - low) * 0.07, 1e-3)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
