"""Picture of a selection inside a training: which groups were likely, what they earned, what the training has cost."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

MARKS = 400
"""Rounds that are drawn one by one; of more every k-th."""


def training_rounds(
    chances: np.ndarray,
    arms: np.ndarray,
    rewards: np.ndarray,
    names: Sequence[str],
    passes: np.ndarray,
    losses: np.ndarray,
    offline: int,
    what: str,
) -> bytes:
    """Draw chances and rewards of the groups by round, and a loss by the forward passes that it took to get there.

    Args:
        chances: (R, K) with which each group could be drawn.
        arms: (R,) the group that was.
        rewards: (R,) what it earned, from -1 to 1.
        names: of the K groups.
        passes: (M,) rows that had been read when a loss was measured, those before the training included.
        losses: (M,) the losses.
        offline: rows that were read before the training began.
        what: the loss is, in words.

    Returns:
        PNG, at most 60 KB.
    """
    note = f"chances and rewards of {len(names)} groups by round; {what} by rows read"
    fig, first = canvas.figure(5.2, "A selection inside a training", note)
    if not len(arms):
        canvas.empty(first, "there was no round")
        return canvas.to_png(fig)
    first.remove()
    grid = fig.add_gridspec(2, 2)
    left, right, below = (fig.add_subplot(grid[where]) for where in ((0, 0), (0, 1), (1, slice(None))))
    some = np.arange(0, len(arms), -(-len(arms) // MARKS))
    for k, name in enumerate(names):
        colour = canvas.CYCLE[k % len(canvas.CYCLE)]
        left.plot(some + 1, chances[some, k], color=colour, linewidth=1.3, label=canvas.label(name, 20))
        own = some[arms[some] == k]
        right.scatter(own + 1, rewards[own], color=colour, s=9)
    # Room for the names above the lines.
    left.set_ylim(0, float(chances.max()) * 1.6)
    canvas.legend(left, loc="upper left", ncols=2)
    right.axhline(0, color=canvas.GRID, linewidth=0.8)
    canvas.caption_axis(left, "round", "chance of a group")
    canvas.caption_axis(right, "round", "reward")
    if offline:
        below.axvspan(0, offline, color=canvas.POOL, alpha=0.35, linewidth=0)
        where = {"transform": below.get_xaxis_transform(), "ha": "center", "va": "top", "fontsize": 8.5}
        below.text(offline / 2, 0.97, "read before the training", **where, **canvas.font(canvas.MUTED))
    known = np.isfinite(losses)
    below.plot(passes[known], losses[known], color=canvas.SELECTED, linewidth=1.8, marker="o", markersize=3)
    below.set_xlim(left=0)
    canvas.caption_axis(below, "rows read, those before the training included", what)
    for axes in (left, right, below):
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(length=0, labelsize=8.5, labelcolor=canvas.INK)
        axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        canvas.number_axis(axes.xaxis)
        canvas.number_axis(axes.yaxis)
    return canvas.to_png(fig)
