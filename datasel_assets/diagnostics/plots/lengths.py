"""Pictures of lengths: the pool against a selection, and recipe by recipe."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas
from datasel_assets.diagnostics.plots.ridges import length_edges, length_range, ridges

_BINS = 45
_RECIPES = 40


def length_histogram(pool: np.ndarray, selection: np.ndarray, unit: str = "response tokens") -> bytes:
    """Draw the lengths of the pool and of a selection as two histograms of equal area, medians marked.

    Args:
        pool: one number per row of the pool; NaN = not counted. Zero and below count as 1 on the logarithmic axis.
        selection: the same for the selected rows.
        unit: what is counted.

    Returns:
        PNG, at most 60 KB.
    """
    columns = [np.asarray(column, np.float64) for column in (pool, selection)]
    columns = [np.maximum(column[np.isfinite(column)], 1) for column in columns]
    sizes = [len(column) for column in columns]
    fig, axes = canvas.figure(
        3.1,
        f"{unit.capitalize()} per row",
        f"{sizes[1]:,} rows selected of {sizes[0]:,} in the pool; share of rows per bin",
    )
    if not sizes[0]:
        canvas.empty(axes, f"no {unit} are counted")
        return canvas.to_png(fig)
    low, high = length_range(np.concatenate(columns))
    edges = length_edges(low, high, _BINS)
    shares = [np.histogram(np.clip(c, low, high), edges)[0] / max(len(c), 1) for c in columns]
    axes.stairs(shares[0], edges, fill=True, color=canvas.tint(canvas.POOL, 0.75), label="pool")
    axes.stairs(shares[1], edges, color=canvas.SELECTED, linewidth=1.7, label="selected")
    top = max(float(s.max()) for s in shares)
    medians = [float(np.median(c)) if len(c) else None for c in columns]
    for line, (median, colour) in enumerate(zip(medians, (canvas.MUTED, canvas.SELECTED), strict=True)):
        if median is None:
            continue
        axes.plot([median, median], [0, top * 1.17], color=colour, linewidth=1.1, linestyle=(0, (3, 2)))
        # One below the other and towards the middle: whatever the medians, the words stay apart and inside.
        left = median > np.sqrt(low * high)
        axes.annotate(
            f"median {canvas.short_number(median)}", (median, top * 1.18), (-3 if left else 3, -10 * line),
            textcoords="offset points", ha="right" if left else "left", va="top", fontsize=8, **canvas.font(colour),
        )  # fmt: skip
    canvas.log_decades(axes, low, high)
    axes.set_ylim(0, top * 1.2)
    canvas.percent_axis(axes.yaxis)
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, f"{unit} (logarithmic)")
    canvas.legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0)
    return canvas.to_png(fig)


def length_profiles(
    values: Mapping[str, np.ndarray], pool: np.ndarray | None = None, unit: str = "response tokens"
) -> bytes:
    """Draw the distribution of lengths of each recipe as a ridge on one logarithmic axis, medians marked.

    Args:
        values: recipe -> one positive number per selected row; NaN and numbers below 1 are left out. The first 40 are
            drawn.
        pool: the same of the whole pool, in grey behind each ridge.
        unit: what is counted.

    Returns:
        PNG, at most 60 KB.
    """
    note = "rows per length; orange = median" + ("" if pool is None else "; grey = the pool")
    title = f"{unit.capitalize()} per row, by recipe"
    return ridges(values, title, note, unit, limit=_RECIPES, by_size=False, reference=pool)
