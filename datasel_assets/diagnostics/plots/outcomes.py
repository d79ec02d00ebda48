"""Picture of trainings: how far each arm's held-out loss is from that of random rows."""

import numpy as np
import polars as pl

from datasel_assets.diagnostics.plots import canvas


def outcomes(found: pl.DataFrame, arm: str) -> bytes:
    """Draw the difference of each arm to the random arm with its confidence interval, one row per held-out set.

    Args:
        found: from ``diagnostics.outcomes.outcomes``.
        arm: the arm that the picture is about; the others are drawn in grey.

    Returns:
        PNG, at most 60 KB.
    """
    compared = found.filter(pl.col("difference").is_not_null())
    sets = sorted(compared["set"].unique(), reverse=True)
    fig, axes = canvas.figure(
        1.4 + 0.36 * max(len(sets), 2),
        f"Held-out loss of {arm} minus that of random rows",
        "left of the line: better than random rows of equal tokens; bars: 95 % confidence over the seeds",
    )
    if not sets:
        canvas.empty(axes, "no arm could be compared")
        return canvas.to_png(fig)
    arms = [
        arm,
        *sorted(set(compared["arm"]) - {arm, "start"}),
        *(["start"] if "start" in set(compared["arm"]) else []),
    ]
    colours = [canvas.SELECTED, canvas.POOL, canvas.ACCENT]
    for index, name in enumerate(arms):
        part = compared.filter(pl.col("arm") == name)
        y = np.array([sets.index(s) for s in part["set"]]) + 0.18 * ((len(arms) - 1) / 2 - index)
        x, low, high = (part[column].to_numpy() for column in ("difference", "low", "high"))
        colour = colours[min(index, len(colours) - 1)]
        axes.errorbar(
            x, y, xerr=[x - low, high - x], fmt="o", markersize=4, color=colour, linewidth=1.3, label=canvas.label(name)
        )
    axes.axvline(0, color=canvas.MUTED, linewidth=0.9)
    axes.set_yticks(range(len(sets)), [canvas.label(name, 34) for name in sets], **canvas.font())
    axes.set_ylim(-0.6, len(sets) - 0.4)
    axes.grid(axis="x", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, "difference of the loss, nats for a response token")
    canvas.legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(arms), borderaxespad=0)
    return canvas.to_png(fig)
