"""Picture of many score columns: one small histogram each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from datasel_assets.diagnostics.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 5
_BINS = 24
_CELL = 0.86


def score_grid(scores: Mapping[str, np.ndarray], title: str) -> bytes:
    """Draw the distribution of each score between its 1st and 99th percentile.

    Args:
        scores: name -> (n,) float; what is not finite counts as missing, and its share is written beside the name.
        title: whose scores these are.

    Returns:
        PNG, at most 60 KB.
    """
    rows = max(1, -(-len(scores) // _COLUMNS))
    note = "rows per bin from the 1st to the 99th percentile (numbers below); share without a value in brackets"
    fig, first = canvas.figure(0.7 + _CELL * rows, title, note)
    if not scores:
        canvas.empty(first, "no scores")
        return canvas.to_png(fig)
    first.remove()
    grid = fig.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(scores) :]:
        axes.remove()
    for axes, (name, values) in zip(grid.flat, scores.items(), strict=False):
        _cell(axes, name, np.asarray(values, np.float64))
    return canvas.to_png(fig)


def _cell(axes: "Axes", name: str, values: np.ndarray) -> None:
    known = values[np.isfinite(values)]
    missing = 1 - len(known) / max(len(values), 1)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=6, labelcolor=canvas.MUTED, pad=1)
    axes.set_yticks([])
    shown = canvas.label(name, 26) + (f" ({missing:.0%})" if missing >= 0.005 else "")
    axes.set_title(shown, fontsize=6.5, pad=2, loc="left", **canvas.font())
    if not len(known):
        axes.set_xticks([])
        return
    low, high = (float(q) for q in np.quantile(known, (0.01, 0.99)))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(known, low, high), _BINS, (low, high))
    axes.stairs(counts, edges, fill=True, color=canvas.SELECTED)
    axes.set_xlim(low, high)
    axes.set_xticks([low, high], [canvas.short_number(low), canvas.short_number(high)])
    for text, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        text.set_horizontalalignment(side)
