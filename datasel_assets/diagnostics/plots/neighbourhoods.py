"""A picture of a label graph: the labels with the most neighbours, each with those beside it."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_COLUMNS, _HUBS, _NEIGHBOURS = 2, 6, 7
_CHARS = 26
_WIDTH, _REACH = 3.4, 1.1


def label_neighbourhoods(
    labels: Sequence[str],
    rows: np.ndarray,
    neighbours: Sequence[Sequence[str]],
    similarities: Sequence[Sequence[float]],
    threshold: float,
) -> bytes:
    """Draw up to six labels with their most similar neighbours; the thicker the line, the more similar.

    The label with the most neighbours comes first; a label that stands beside a hub already is no hub itself, so that
    the pictures show different parts of the graph.

    Args:
        labels: m names.
        rows: (m,) rows per label.
        neighbours: m lists of names, most similar first.
        similarities: m lists of cosines.
        threshold: least cosine of neighbours.

    Returns:
        PNG, at most 60 KB.
    """
    degree = np.array([len(found) for found in neighbours], np.int64)
    edges = int(degree.sum()) // 2
    hubs = _hubs(labels, degree, rows, neighbours)
    lines = max(1, -(-len(hubs) // _COLUMNS))
    fig, axes = canvas.figure(
        0.7 + 1.45 * lines,
        f"Neighbourhoods of {len(labels):,} labels",
        f"{edges:,} pairs with a cosine of {threshold:g} or more; {int((degree == 0).sum()):,} labels are alone",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    if not hubs:
        canvas.empty(axes, "no two labels are similar enough: lower the threshold, or use a better encoder")
        return canvas.to_png(fig)
    for place, hub in enumerate(hubs):
        left, middle = _WIDTH * (place % _COLUMNS), -float(_NEIGHBOURS + 1) * (place // _COLUMNS)
        shown = list(zip(neighbours[hub], similarities[hub], strict=True))[:_NEIGHBOURS]
        colour = canvas.CYCLE[place % len(canvas.CYCLE)]
        for turn, (name, similarity) in enumerate(shown):
            y = middle + (len(shown) - 1) / 2 - turn
            width = 0.6 + 2.4 * (similarity - threshold) / max(1 - threshold, 1e-6)
            axes.plot([left, left + _REACH], [middle, y], color=canvas.tint(colour, 0.6), linewidth=width, zorder=1)
            axes.scatter([left + _REACH], [y], s=12, color=canvas.tint(colour, 0.8), zorder=2)
            axes.annotate(
                canvas.label(name, _CHARS), (left + _REACH, y), (5, 0), textcoords="offset points", ha="left",
                va="center_baseline", fontsize=7.4, **canvas.font(),
            )  # fmt: skip
        axes.scatter([left], [middle], s=52, color=colour, edgecolors="white", zorder=3)
        more = f" (+{degree[hub] - len(shown)})" if degree[hub] > len(shown) else ""
        axes.annotate(
            canvas.label(str(labels[hub]), _CHARS) + more, (left, middle), (-6, 0), textcoords="offset points",
            ha="right", va="center_baseline", fontsize=8.2, weight="bold", zorder=4, **canvas.font(),
        )  # fmt: skip
    axes.set_xlim(-1.1, _WIDTH * (min(len(hubs), _COLUMNS) - 1) + 2.4)
    axes.set_ylim(-(_NEIGHBOURS + 1) * (lines - 1) - _NEIGHBOURS / 2, _NEIGHBOURS / 2)
    return canvas.to_png(fig)


def _hubs(
    labels: Sequence[str], degree: np.ndarray, rows: np.ndarray, neighbours: Sequence[Sequence[str]]
) -> list[int]:
    chosen: list[int] = []
    beside: set[str] = set()
    for hub in np.lexsort((np.arange(len(labels)), -np.asarray(rows), -degree)):
        if len(chosen) == _HUBS or degree[hub] == 0:
            break
        if labels[hub] not in beside:
            chosen.append(int(hub))
            beside.update([*neighbours[int(hub)], labels[int(hub)]])
    return chosen
