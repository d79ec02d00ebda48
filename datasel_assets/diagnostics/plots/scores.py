"""Picture of scores by rank, with the cut of the budget."""

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_STEPS = 600


def score_curve(scores: np.ndarray, cut: int, name: str = "score") -> bytes:
    """Draw scores in the order of selection and where the budget cuts them.

    A flat curve at the cut says that the last rows in were hardly better than the first rows out.

    Args:
        scores: (n,) in the order of rank, best first; NaN (no score) is left out.
        cut: rows kept.
        name: what the score is.

    Returns:
        PNG, at most 60 KB.
    """
    scores = np.asarray(scores, np.float64)
    known = np.isfinite(scores)
    kept = int(known[:cut].sum())
    scores = scores[known]
    n = len(scores)
    note = f"{kept:,} of {n:,} ranked rows kept"
    if 0 < kept <= n:
        note += f"; last row in {scores[kept - 1]:.4g}" + (f", first row out {scores[kept]:.4g}" if kept < n else "")
    fig, axes = canvas.figure(3.1, f"{name.capitalize()} by rank", note)
    if not n:
        canvas.empty(axes, "this sampler gives no scores")
        return canvas.to_png(fig)
    # A curve of 600 points looks like one of a million; the ranks around the cut are always among them.
    picked = np.unique(
        np.concatenate([np.linspace(0, n - 1, min(n, _STEPS)).astype(int), np.clip([kept - 1, kept], 0, n - 1)])
    )
    ranks = picked + 1
    floor = min(float(scores.min()), 0.0) if scores.min() < 0.25 * scores.max() else float(scores.min())
    span = max(float(scores.max()) - floor, 1e-9)
    inside = picked < kept
    axes.fill_between(
        ranks[inside], floor, scores[picked][inside], color=canvas.tint(canvas.SELECTED, 0.2), linewidth=0
    )
    axes.plot(ranks, scores[picked], color=canvas.POOL, linewidth=1.8)
    axes.plot(ranks[inside], scores[picked][inside], color=canvas.SELECTED, linewidth=2)
    axes.set_ylim(floor - 0.03 * span, float(scores.max()) + 0.09 * span)
    axes.set_xlim(1 - 0.01 * n, n + 0.01 * n)
    if 0 < kept < n:
        axes.axvline(kept + 0.5, color=canvas.ACCENT, linewidth=1.2, linestyle=(0, (3, 2)))
        late = kept > 0.7 * n
        axes.annotate(
            f"cut at {kept:,}", (kept + 0.5, float(scores.max()) + 0.07 * span), (-4 if late else 4, 0),
            textcoords="offset points", ha="right" if late else "left", va="top", fontsize=8.5,
            **canvas.font(canvas.ACCENT),
        )  # fmt: skip
    canvas.number_axis(axes.xaxis)
    canvas.number_axis(axes.yaxis)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, "rank", name)
    return canvas.to_png(fig)
