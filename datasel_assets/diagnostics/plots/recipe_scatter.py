"""Picture of recipes by two measures, a third as colour: who is beaten by nobody."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.diagnostics.pareto import pareto_front
from datasel_assets.diagnostics.plots import canvas
from datasel_assets.diagnostics.plots.labels import FAR, place_labels

_SHADES = ["#c6dbef", "#6baed6", "#0072b2", "#08306b"]


def recipe_scatter(
    names: Sequence[str],
    x: np.ndarray,
    y: np.ndarray,
    *,
    x_title: str,
    y_title: str,
    colour: np.ndarray | None = None,
    colour_title: str = "",
    x_better: str = "high",
    y_better: str = "high",
    random: str = "random",
    longest: str = "longest",
) -> bytes:
    """Draw each recipe as a named point, the Pareto front of both measures, and the arms that cost nothing.

    Lines through the random arm part the picture: a recipe on its worse side of both measures is not worth its cost.

    Args:
        names: m recipes.
        x: (m,) a measure; a recipe without (NaN) is not drawn.
        y: (m,) another.
        x_title: its name.
        y_title: its name.
        colour: (m,) a third measure, dark = more; NaN is grey.
        colour_title: its name.
        x_better: ``high`` or ``low``; the front runs towards the better side.
        y_better: the same for y.
        random: name of the random arm: an orange diamond.
        longest: name of the longest-response arm: an orange square.

    Returns:
        PNG, at most 60 KB.

    Raises:
        ValueError: names and values differ in number.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.lines import Line2D

    points = np.column_stack([np.asarray(x, np.float64), np.asarray(y, np.float64)])
    if len(points) != len(names):
        raise ValueError(f"{len(points)} points for {len(names)} recipes")
    shown = np.flatnonzero(np.isfinite(points).all(axis=1))
    missing = len(names) - len(shown)
    names = [str(name) for name in names]
    note = f"{len(shown)} recipes" + (f"; {missing} without a value not drawn" if missing else "")
    third = np.full(len(names), np.nan) if colour is None else np.asarray(colour, np.float64)
    known = third[shown][np.isfinite(third[shown])]
    if len(known):
        low, high = float(known.min()), float(known.max())
        note += f"; darker = more {colour_title} ({canvas.short_number(low)} .. {canvas.short_number(high)})"
    fig, axes = canvas.figure(5.0, f"{y_title[:1].upper()}{y_title[1:]} against {x_title}", note)
    if not len(shown):
        canvas.empty(axes, "no recipe has both values")
        return canvas.to_png(fig)
    shade = LinearSegmentedColormap.from_list("third", _SHADES)
    scale = Normalize(known.min(), known.max()) if len(known) and known.min() < known.max() else Normalize(0, 1)
    plain = canvas.SELECTED if colour is None else canvas.POOL
    fills = [shade(scale(third[i])) if np.isfinite(third[i]) else plain for i in range(len(names))]

    signs = np.array([1 if x_better == "high" else -1, 1 if y_better == "high" else -1])
    front = shown[pareto_front(points[shown] * signs)]
    front = front[np.lexsort((points[front, 1] * signs[1], points[front, 0]))]
    axes.plot(*_corners(points[front], pre=signs[0] > 0).T, color=canvas.CYCLE[2], linewidth=1.4, zorder=1.5)
    arms = {random: ("D", "random"), longest: ("s", "longest")}
    for i in shown:
        mark = arms.get(names[i], ("o", ""))[0]
        arm = names[i] in arms
        edge = canvas.CYCLE[2] if i in front else "white"
        axes.plot(
            *points[i], mark, color=canvas.ACCENT if arm else fills[i], markersize=8, markeredgecolor=edge,
            markeredgewidth=1.6 if i in front else 0.8, zorder=3,
        )  # fmt: skip
        if names[i] == random:
            style = {"color": canvas.tint(canvas.ACCENT, 0.5), "linewidth": 0.9, "linestyle": (0, (3, 2)), "zorder": 1}
            axes.axvline(points[i, 0], **style)
            axes.axhline(points[i, 1], **style)
    axes.margins(0.09, 0.09)
    canvas.number_axis(axes.xaxis)
    canvas.number_axis(axes.yaxis)
    axes.grid(color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, f"{x_title}, {x_better} is better", f"{y_title}, {y_better} is better")
    handles = [Line2D([], [], color=canvas.CYCLE[2], linewidth=1.4, label="beaten by none")]
    handles += [
        Line2D([], [], linestyle="", marker=mark, color=canvas.ACCENT, label=word)
        for name, (mark, word) in arms.items()
        if name in {names[i] for i in shown}
    ]
    canvas.legend(axes, handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0)
    # Arms and the front are named first: theirs are the names that must be there.
    rank = [(names[i] not in arms, i not in front, k) for k, i in enumerate(shown)]
    order = shown[[k for *_, k in sorted(rank)]]
    bold = frozenset(k for k, i in enumerate(order) if names[i] in arms or i in front)
    radii = np.full(len(order), 4.5)
    titles = [canvas.clean(names[i], 26) for i in order]
    line = _corners(points[front], pre=signs[0] > 0)
    place_labels(
        fig, axes, points[order], radii, titles, limit=len(order), gaps=FAR, bold=bold, lines=(line[:-1], line[1:])
    )
    return canvas.to_png(fig)


def _corners(front: np.ndarray, *, pre: bool) -> np.ndarray:
    """Return the stairs (2 m - 1, 2) through the points of a front: the edge of what they match or beat."""
    between = np.column_stack([front[:-1, 0], front[1:, 1]] if pre else [front[1:, 0], front[:-1, 1]])
    stairs = np.empty((max(2 * len(front) - 1, 0), 2))
    stairs[::2], stairs[1::2] = front, between
    return stairs
