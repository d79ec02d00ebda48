"""Picture of many score columns: one small histogram each."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_COLUMNS = 5
_BINS = 24
_CELL = 0.86
_NAME = 25  # characters that fit into a cell
_WIDTH, _HEIGHT = 0.92, 0.56  # of a cell; the rest holds its name and the numbers below


def score_grid(scores: Mapping[str, np.ndarray], title: str) -> bytes:
    """Draw the distribution of each score between its 1st and 99th percentile.

    All histograms stand in one set of axes, cell by cell: axes of their own would take seconds for a score table.

    Args:
        scores: name -> (n,) float; what is not finite counts as missing, and its share is written beside the name.
        title: whose scores these are.

    Returns:
        PNG, at most 60 KB.
    """
    rows = max(1, -(-len(scores) // _COLUMNS))
    note = "rows per bin from the 1st to the 99th percentile (numbers below); share without a value in brackets"
    fig, axes = canvas.figure(0.6 + _CELL * rows, title, note)
    axes.set_xticks([])
    axes.set_yticks([])
    if not scores:
        canvas.empty(axes, "no scores")
        return canvas.to_png(fig)
    axes.set_xlim(0, _COLUMNS)
    axes.set_ylim(rows, 0)
    for cell, (name, values) in enumerate(scores.items()):
        x, y = cell % _COLUMNS, cell // _COLUMNS
        values = np.asarray(values, np.float64)
        known = values[np.isfinite(values)]
        missing = 1 - len(known) / max(len(values), 1)
        share = f" ({missing:.0%})" if missing >= 0.005 else ""
        shown = canvas.label(name, _NAME - len(share)) + share
        axes.text(x, y + 0.18, shown, fontsize=6.5, va="bottom", **canvas.font(), in_layout=False)
        if not len(known):
            continue
        low, high = (float(q) for q in np.quantile(known, (0.01, 0.99)))
        if low == high:
            low, high = low - 0.5, high + 0.5
        counts, _ = np.histogram(np.clip(known, low, high), _BINS, (low, high))
        floor = y + 0.22 + _HEIGHT
        tops = floor - _HEIGHT * counts / counts.max()
        edges = x + _WIDTH * np.linspace(0, 1, _BINS + 1)
        axes.fill_between(np.repeat(edges, 2)[1:-1], floor, np.repeat(tops, 2), color=canvas.SELECTED, linewidth=0)
        for place, number, side in ((x, low, "left"), (x + _WIDTH, high, "right")):
            text = canvas.short_number(number)
            axes.text(place, floor + 0.02, text, fontsize=6, ha=side, va="top", color=canvas.MUTED, in_layout=False)
    return canvas.to_png(fig, colours=(16, 8), dpi=110)
