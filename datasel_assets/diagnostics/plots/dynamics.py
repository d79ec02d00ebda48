"""Picture of a training by its rows: how many are right, and how their losses spread, presentation by presentation."""

import numpy as np

from datasel_assets.diagnostics.plots import canvas


def dynamics_curves(
    losses: np.ndarray, right: np.ndarray, marked: np.ndarray, planted: np.ndarray, title: str
) -> bytes:
    """Draw the share of right rows and the losses of the rows by presentation.

    Args:
        losses: (n, E) of each row, NaN where it was not presented.
        right: (n, E) 1, 0 or NaN.
        marked: (m,) bool, rows of another training that were made wrong on purpose; empty without one.
        planted: (m, E) losses of that training.
        title: of the picture.

    Returns:
        PNG, at most 60 KB.
    """
    fig, axes = canvas.figure(3.0, title, "losses in nats, middle half of the rows shaded; dashed: share of right rows")
    seen = np.isfinite(losses).all(axis=1)
    if not seen.any():
        canvas.empty(axes, "no row was presented")
        return canvas.to_png(fig)
    times = np.arange(1, losses.shape[1] + 1)
    low, middle, high = np.quantile(losses[seen], [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(times, low, high, color=canvas.POOL, alpha=0.3, linewidth=0)
    axes.plot(times, middle, color=canvas.POOL, linewidth=1.8, label="median loss")
    known = np.isfinite(planted).all(axis=1) if planted.size else np.zeros(0, bool)
    if (known & marked).any():
        axes.plot(
            times,
            np.median(planted[known & marked], axis=0),
            color=canvas.SELECTED,
            linewidth=1.8,
            label="rows made wrong on purpose",
        )
    axes.set_ylim(bottom=0)
    shares = axes.twinx()
    shares.plot(times, np.nanmean(right[seen], axis=0), color=canvas.MUTED, linewidth=1.2, linestyle="--")
    shares.set_ylim(0, 1)
    canvas.percent_axis(shares.yaxis)
    axes.set_xticks(times if len(times) <= 12 else times[:: len(times) // 10])
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.number_axis(axes.xaxis)
    canvas.caption_axis(axes, "presentation", "loss")
    canvas.legend(axes, loc="upper right")
    return canvas.to_png(fig)
