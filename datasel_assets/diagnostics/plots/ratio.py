"""Picture of how much of a selection is enough: loss by the share of the pool, beside random rows."""

from datasel_assets.diagnostics.plots import canvas
from datasel_assets.runs.knee import Curve


def ratio_curves(selected: Curve, random: Curve, tolerance: float, name: str, title: str) -> bytes:
    """Draw the mean losses with their intervals, and what is within the tolerance of the best.

    Args:
        selected: losses of trainings on the selection.
        random: losses of trainings on random rows.
        tolerance: nats.
        name: of the recipe.
        title: of the picture.

    Returns:
        PNG, at most 60 KB.
    """
    fig, axes = canvas.figure(
        3.2, title, "bars: 95 % confidence over the seeds; shaded: within the tolerance of the best"
    )
    best = float(selected.mean.min())
    axes.axhspan(best, best + tolerance, color=canvas.POOL, alpha=0.25, linewidth=0)
    for curve, colour, called in ((random, canvas.MUTED, "random rows"), (selected, canvas.SELECTED, name)):
        reach = [curve.mean - curve.low, curve.high - curve.mean]
        axes.errorbar(
            100 * curve.fractions,
            curve.mean,
            yerr=reach,
            color=colour,
            marker="o",
            markersize=4,
            linewidth=1.5,
            label=canvas.label(called),
        )
    # One seed that went astray must not flatten the curves.
    means = [*selected.mean, *random.mean]
    room = 0.25 * (max(means) - min(means)) + tolerance
    axes.set_ylim(min(means) - room, max(means) + room)
    canvas.log_decades(axes, 100 * float(selected.fractions[0]) * 0.9, 100 * float(selected.fractions[-1]) * 1.1)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, "per cent of the pool", "loss, nats for a response token")
    canvas.legend(axes, loc="upper right")
    return canvas.to_png(fig)
