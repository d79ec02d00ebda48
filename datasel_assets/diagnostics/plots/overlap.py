"""Picture of the overlap of recipes."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_SHOWN = 40


def overlap_heatmap(names: Sequence[str], matrix: np.ndarray) -> bytes:
    """Draw how much each pair of recipes selects in common: the lower triangle of the Jaccard matrix.

    Args:
        names: m recipes; the first 40 are drawn.
        matrix: (m, m) Jaccard overlaps in [0, 1], from ``overlap.jaccard_matrix``.

    Returns:
        PNG, at most 60 KB.

    Raises:
        ValueError: the matrix does not fit the names.
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape != (len(names), len(names)):
        raise ValueError(f"an overlap matrix of shape {matrix.shape} for {len(names)} recipes")
    m = min(len(names), _SHOWN)
    note = "Jaccard overlap in %: rows in both / rows in either" + (
        f"; first {m} of {len(names)}" if m < len(names) else ""
    )
    # Up to a dozen recipes get room; forty still fit the width with two digits in each cell.
    room = 0.3 if m <= 16 else 0.3 - 0.13 * min((m - 16) / 24, 1)
    fig, axes = canvas.figure(1.6 + room * max(m, 4), "What recipes have in common", note)
    if m < 2:
        canvas.empty(axes, "there is no pair of recipes to compare")
        return canvas.to_png(fig)
    shown = np.ma.masked_where(np.triu(np.ones((m, m), bool)), matrix[:m, :m])[1:, :-1]
    axes.pcolormesh(shown, cmap=canvas.heat(), vmin=0, vmax=1, edgecolors="white", linewidth=1.5 if m <= 24 else 0.6)
    size = 8.5 if m <= 12 else 6.5 if m <= 24 else 5
    names_size = 8.5 if m <= 20 else 7 if m <= 28 else 6.2
    for i in range(m - 1):
        for j in range(i + 1):
            value = matrix[i + 1, j]
            written = f"{100 * value:.0f}" if value >= 0.005 or value == 0 else "<1"
            colour = "white" if value > 0.45 else canvas.INK
            axes.text(j + 0.5, i + 0.5, written, ha="center", va="center", fontsize=size, **canvas.font(colour))
    ticks = np.arange(m - 1) + 0.5
    style = {"fontsize": names_size, **canvas.font()}
    letters = 40 if m <= 20 else 26
    axes.set_yticks(ticks, [canvas.label(name, letters) for name in names[1:m]], **style)
    turn = 35 if m <= 20 else 60
    below = [canvas.label(name, letters) for name in names[: m - 1]]
    axes.set_xticks(ticks, below, rotation=turn, ha="right", rotation_mode="anchor", **style)
    axes.set_ylim(m - 1, 0)
    # One hue needs few colours; the numbers of forty recipes would not fit otherwise.
    return canvas.to_png(fig) if m <= 24 else canvas.to_png(fig, colours=(24, 16), dpi=115)
