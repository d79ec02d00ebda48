"""Picture of redundancy: how many principal axes hold how much of the variance."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.hill import hill
from datasel_assets.diagnostics.plots import canvas

LINES = len(canvas.CYCLE)


def spectra(shares: Mapping[str, np.ndarray]) -> bytes:
    """Draw the variance that the first axes hold together, one line for each set of vectors.

    Args:
        shares: name -> share of the variance along each principal axis, largest first. The first eight are drawn.

    Returns:
        PNG, at most 60 KB.
    """
    fig, axes = canvas.figure(
        3.4, "Variance by principal axis", "a line that rises at once: few directions hold everything (effective rank)"
    )
    drawn = {name: np.asarray(values, np.float64) for name, values in list(shares.items())[:LINES]}
    drawn = {name: values for name, values in drawn.items() if len(values)}
    if not drawn:
        canvas.empty(axes, "no vectors that differ")
        return canvas.to_png(fig)
    most = max(len(values) for values in drawn.values())
    for colour, (name, values) in zip(canvas.CYCLE, drawn.items(), strict=False):
        label = f"{canvas.label(name, 24)} ({hill(values):.3g} of {len(values)})"
        steps = np.arange(1, len(values) + 1)
        axes.plot(steps, np.cumsum(values), color=colour, linewidth=1.6, marker="o", markersize=2.2, label=label)
    canvas.log_decades(axes, 0.9, max(most * 1.1, 2))
    axes.set_ylim(0, 1.03)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.percent_axis(axes.yaxis)
    canvas.caption_axis(axes, "principal axes, largest first", "share of the variance")
    canvas.legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return canvas.to_png(fig)
