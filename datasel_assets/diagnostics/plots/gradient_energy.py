"""Picture of where the length of gradients comes from: which blocks, which kinds of layers."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_WRITTEN = 14
"""Blocks up to which each cell has its number."""


def gradient_energy(blocks: Sequence[str], kinds: Sequence[str], shares: np.ndarray) -> bytes:
    """Draw the share of the squared length of gradients in each layer, with the sums of blocks and of kinds.

    Args:
        blocks: m blocks of the model, first to last; the first 64 are drawn.
        kinds: k kinds of layers in a block; the first 24 are drawn.
        shares: (k, m), which sum to 1.

    Returns:
        PNG, at most 60 KB.

    Raises:
        ValueError: the shares do not fit the names.
    """
    shares = np.asarray(shares, np.float64)
    if shares.shape != (len(kinds), len(blocks)):
        raise ValueError(f"shares of shape {shares.shape} for {len(kinds)} kinds of layers in {len(blocks)} blocks")
    shown = shares[:24, :64]
    k, m = shown.shape
    fig, axes = canvas.figure(
        1.7 + 0.32 * max(k, 3), "Where gradients are long", "% of the squared length of a gradient"
    )
    if not shown.size:
        canvas.empty(axes, "no layer")
        return canvas.to_png(fig)
    most = float(shown.max()) or 1.0
    axes.pcolormesh(shown, cmap=canvas.heat(), vmin=0, vmax=most, edgecolors="white", linewidth=1.2 if m <= 24 else 0.4)
    if m <= _WRITTEN:
        for i in range(k):
            for j in range(m):
                colour = "white" if shown[i, j] > 0.55 * most else canvas.INK
                written = f"{100 * shown[i, j]:.0f}" if shown[i, j] >= 0.005 or not shown[i, j] else "<1"
                axes.text(j + 0.5, i + 0.5, written, ha="center", va="center", fontsize=8, **canvas.font(colour))
    sums = shares.sum(axis=1)[:k]
    rows = [f"{canvas.label(kind, 18)}  {100 * total:.0f} %" for kind, total in zip(kinds[:k], sums, strict=True)]
    axes.set_yticks(np.arange(k) + 0.5, rows, fontsize=8.5, **canvas.font())
    step = max(1, m // 24)
    totals = shares.sum(axis=0)[:m]
    columns = [
        f"{canvas.label(block, 8)}\n{100 * total:.0f} %" if m <= _WRITTEN else canvas.label(block, 8)
        for block, total in zip(blocks[:m], totals, strict=True)
    ]
    axes.set_xticks((np.arange(m) + 0.5)[::step], columns[::step], fontsize=8, **canvas.font())
    axes.set_ylim(k, 0)
    canvas.caption_axis(axes, "block")
    return canvas.to_png(fig)
