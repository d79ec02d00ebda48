"""Picture of how recipes fill clusters."""

from collections.abc import Mapping, Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_CLUSTERS = 24
_RECIPES = 40
_SPAN = 3.0


def cluster_occupancy(pool: np.ndarray, selections: Mapping[str, np.ndarray], titles: Sequence[str]) -> bytes:
    """Draw how much of each recipe lies in each of the largest clusters, compared with the pool.

    A cell is log2 of (share of the recipe's rows in the cluster / share of the pool's rows): blue holds more than the
    pool, orange less, white as much; a cell with a dot holds nothing.

    Args:
        pool: (k,) rows of the pool in each cluster.
        selections: recipe -> (k,) rows it took; the first 40 are drawn.
        titles: k names.

    Returns:
        PNG, at most 60 KB.

    Raises:
        ValueError: a recipe counts other clusters than the pool.
    """
    from matplotlib.colors import LinearSegmentedColormap

    pool = np.asarray(pool, np.float64)
    names = list(selections)[:_RECIPES]
    for name in names:
        if len(selections[name]) != len(pool):
            raise ValueError(f"recipes count {len(selections[name])} clusters, the pool {len(pool)}")
    counts = np.array([selections[name] for name in names], np.float64).reshape(len(names), len(pool))
    order = np.argsort(-pool, kind="stable")[:_CLUSTERS]
    order = order[pool[order] > 0]
    part = pool[order].sum() / max(pool.sum(), 1)
    note = f"share of the recipe / share of the pool; largest {len(order)} of {int((pool > 0).sum()):,} clusters"
    note += f", {100 * part:.0f} % of the pool; dot = no row"
    height = 0.27 if len(names) <= 20 else 0.2
    fig, axes = canvas.figure(2.6 + height * max(len(names), 3), "Where recipes take their rows from", note)
    if not len(names) or not len(order):
        canvas.empty(axes, "no recipe or no cluster")
        return canvas.to_png(fig)
    share = counts[:, order] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with np.errstate(divide="ignore"):
        ratio = np.log2(share / (pool[order] / pool.sum()))
    # Two hues that differ for every colour vision, white exactly where recipe and pool agree.
    less, more = canvas.ACCENT, canvas.SELECTED
    stops = ["#7a3300", less, canvas.tint(less, 0.4), "#f7f7f7", canvas.tint(more, 0.4), more, "#08306b"]
    colours = LinearSegmentedColormap.from_list("ratio", stops)
    drawn = axes.pcolormesh(
        np.clip(ratio, -_SPAN, _SPAN), cmap=colours, vmin=-_SPAN, vmax=_SPAN, edgecolors="white",
        linewidth=1 if len(names) <= 24 else 0.5,
    )  # fmt: skip
    nothing = np.argwhere(share == 0)
    axes.plot(nothing[:, 1] + 0.5, nothing[:, 0] + 0.5, ".", color="white", markersize=2.5)
    size = 8.5 if len(names) <= 20 else 7
    axes.set_yticks(
        np.arange(len(names)) + 0.5, [canvas.label(name, 30) for name in names], fontsize=size, **canvas.font()
    )
    below = [f"{canvas.label(titles[i], 26)}  {100 * pool[i] / pool.sum():.0f} %" for i in order]
    axes.set_xticks(
        np.arange(len(order)) + 0.5, below, rotation=60, ha="right", rotation_mode="anchor", fontsize=7,
        **canvas.font(),
    )  # fmt: skip
    axes.set_ylim(len(names), 0)
    bar = fig.colorbar(drawn, ax=axes, ticks=[-3, -2, -1, 0, 1, 2, 3], aspect=30, pad=0.015, fraction=0.03)
    bar.ax.set_yticklabels(["1/8", "1/4", "1/2", "1", "2×", "4×", "8×"], fontsize=7.5, **canvas.font(canvas.MUTED))
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return canvas.to_png(fig, colours=(128, 64, 32) if len(names) <= 20 else (48, 32))
