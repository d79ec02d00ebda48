"""Picture of what units do to an outcome: the largest effects with their intervals, and what seeds alone make."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

SHOWN = 16


def run_effects(
    names: Sequence[str], values: np.ndarray, low: np.ndarray, high: np.ndarray, limit: float, title: str
) -> bytes:
    """Draw the largest effects, best first, with their intervals, and the noise of seeds as a band around 0.

    Args:
        names: k names of units.
        values: (k,) effects, more is better.
        low: (k,) lower ends of their intervals, NaN where none is known.
        high: (k,) upper ends.
        limit: the largest effect that seeds alone make; NaN where that is not known.
        title: of the picture.

    Returns:
        PNG, at most 60 KB.
    """
    known = np.flatnonzero(np.isfinite(values))
    chosen = known[np.argsort(-np.abs(values[known]), kind="stable")][:SHOWN]
    chosen = chosen[np.argsort(values[chosen], kind="stable")]
    note = "right of the line: the loss is lower with it; bars: 95 % confidence; shaded: what seeds alone make"
    fig, axes = canvas.figure(1.5 + 0.27 * max(len(chosen), 3), title, note)
    if not len(chosen):
        canvas.empty(axes, "no effect is known")
        return canvas.to_png(fig)
    if np.isfinite(limit):
        axes.axvspan(-limit, limit, color=canvas.POOL, alpha=0.18, linewidth=0)
    places = np.arange(len(chosen))
    reach = np.nan_to_num(np.abs(np.stack([values[chosen] - low[chosen], high[chosen] - values[chosen]])))
    outside = ~(np.abs(values[chosen]) <= limit)
    for some, colour in ((outside, canvas.SELECTED), (~outside, canvas.MUTED)):
        axes.errorbar(
            values[chosen][some], places[some], xerr=reach[:, some], fmt="o", markersize=4, color=colour, linewidth=1.3
        )
    axes.axvline(0, color=canvas.MUTED, linewidth=0.9)
    canvas.names(axes, [names[int(i)] for i in chosen])
    axes.set_ylim(-0.6, len(chosen) - 0.4)
    axes.grid(axis="x", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, "nats of a response token that the unit takes off the loss")
    return canvas.to_png(fig)
