"""Pictures of what operations cost: seconds by recipe, seconds by rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from datasel_assets.diagnostics.growth import fit_growth
from datasel_assets.diagnostics.plots import canvas

_RECIPES = 40
_CURVES = 12


def cost_bars(
    seconds: Mapping[str, float], unit: str = "CPU seconds", arms: Sequence[str] = ("random", "longest")
) -> bytes:
    """Draw the seconds each recipe took, most expensive first; logarithmic where they span more than a factor of 50.

    Args:
        seconds: recipe -> seconds; NaN and below 0 = not measured, left out. The 40 largest are drawn.
        unit: what is counted.
        arms: recipes that all others are held against, drawn in orange.

    Returns:
        PNG, at most 60 KB.
    """
    known = {name: float(value) for name, value in seconds.items() if np.isfinite(value) and value >= 0}
    order = sorted(known, key=lambda name: (-known[name], name))[:_RECIPES]
    values = np.array([known[name] for name in order])
    positive = values[values > 0]
    wide = bool(len(positive)) and positive.max() / positive.min() > 50
    note = f"{unit}, what was computed before and reused not counted" + ("; logarithmic" if wide else "")
    room = 0.26 if len(order) <= 20 else 0.2
    fig, axes = canvas.figure(0.75 + room * max(len(order), 3), "What recipes cost", note)
    if not order:
        canvas.empty(axes, "no recipe was timed")
        return canvas.to_png(fig)
    low = positive.min() / 3 if wide else 0.0
    colours = [canvas.ACCENT if name in arms else canvas.SELECTED for name in order]
    axes.barh(range(len(order)), np.maximum(values, low) - low, left=low, height=0.72, color=colours)
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:,.0f}" if value >= 100 else f"{value:.2g}", (max(value, low), place), (3, 0),
            textcoords="offset points", va="center", fontsize=7.5, **canvas.font(canvas.MUTED),
        )  # fmt: skip
    size = 8.5 if len(order) <= 20 else 7
    axes.set_yticks(range(len(order)), [canvas.label(name) for name in order], fontsize=size, **canvas.font())
    axes.set_ylim(len(order) - 0.4, -0.6)
    if wide:
        axes.set_xscale("log")
        axes.set_xlim(low, values.max() * (values.max() / low) ** 0.12)
        axes.set_xticks([], minor=True)
    else:
        axes.set_xlim(0, max(float(values.max()), 1e-9) * 1.12)
    axes.set_xticks([])
    return canvas.to_png(fig, colours=(16, 8))


def growth(times: Mapping[str, tuple[Sequence[float], Sequence[float]]], unit: str = "CPU seconds") -> bytes:
    """Draw seconds against rows on doubly logarithmic axes, with the exponent of the fitted power law at each line.

    Args:
        times: operation -> (rows, seconds); the first twelve are drawn, those after the eighth with dashes and hollow
            marks. What is not positive is left out.
        unit: what is counted.

    Returns:
        PNG, at most 60 KB.
    """
    curves = {}
    for name, (n, seconds) in list(times.items())[:_CURVES]:
        rows, took = np.asarray(n, np.float64), np.asarray(seconds, np.float64)
        known = np.isfinite(rows) & np.isfinite(took) & (rows > 0) & (took > 0)
        if known.any():
            order = np.argsort(rows[known], kind="stable")
            curves[name] = rows[known][order], took[known][order]
    note = f"{unit}; the number is the fitted exponent: 1 = linear, 2 = quadratic"
    rest = len(times) - _CURVES
    fig, axes = canvas.figure(4.2, "How time grows with rows", note + (f"; {rest} more not drawn" if rest > 0 else ""))
    if not curves:
        canvas.empty(axes, "nothing was timed")
        return canvas.to_png(fig)
    ends = []
    for k, (name, (rows, took)) in enumerate(curves.items()):
        law, again = fit_growth(rows, took), k >= len(canvas.CYCLE)
        colour = canvas.CYCLE[k % len(canvas.CYCLE)]
        inside, edge = ("white", colour) if again else (colour, "white")
        axes.plot(rows, took, "o", color=inside, markersize=5, markeredgecolor=edge, zorder=3)
        written = ("\u25cb " if again else "") + canvas.label(name, 30)
        if np.isfinite(law.exponent):
            line = np.array([rows[0], rows[-1]])
            axes.plot(line, law.seconds(line), "--" if again else "-", color=colour, linewidth=1.3)
            written += f"  {law.exponent:.2f}"
        ends.append((float(took[-1]), float(rows[-1]), written, colour))
    everything = [np.concatenate([curve[axis] for curve in curves.values()]) for axis in (0, 1)]
    (left, right), (bottom, top) = ((float(v.min()), float(v.max())) for v in everything)
    canvas.log_decades(axes, left / 1.15, max(right * 1.15, left * 2))
    axes.set_yscale("log")
    axes.set_ylim(bottom / 1.6, max(top * 1.6, bottom * 4))
    axes.set_yticks([], minor=True)
    canvas.number_axis(axes.yaxis)
    axes.grid(color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, "rows")
    _end_labels(axes, ends)
    return canvas.to_png(fig)


def _end_labels(axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each curve's name at the right margin at the height of its end, pushed apart where they would meet."""
    low, high = np.log(axes.get_ylim())
    ends = sorted(ends)
    places = np.array([(np.log(took) - low) / (high - low) for took, *_ in ends])
    gap = 0.062
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    over = places[-1] - 0.98
    if over > 0:
        places[-1] -= over
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - gap)
    for place, (_, _, written, colour) in zip(places, ends, strict=True):
        axes.text(
            1.015, place, written, transform=axes.transAxes, va="center", fontsize=8.5, weight="bold",
            **canvas.font(colour),
        )  # fmt: skip
