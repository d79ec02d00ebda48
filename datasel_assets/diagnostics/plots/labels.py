"""Names beside marks. Belongs here: where a name fits without covering another name or a mark."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from datasel_assets.diagnostics.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR = (0.0,)
FAR = (0.0, 9.0, 20.0, 34.0)
"""Points between a mark and its name that are tried, one after the other; a distant name gets a thin line."""

_SIDES = (
    ((1, 0), "left", "center_baseline"),
    ((-1, 0), "right", "center_baseline"),
    ((0, 1), "center", "bottom"),
    ((0, -1), "center", "top"),
)
_CORNERS = (
    ((0.7, 0.7), "left", "bottom"),
    ((0.7, -0.7), "left", "top"),
    ((-0.7, 0.7), "right", "bottom"),
    ((-0.7, -0.7), "right", "top"),
)


def place_labels(
    fig: "Figure",
    axes: "Axes",
    spots: np.ndarray,
    radii: np.ndarray,
    titles: Sequence[str],
    *,
    limit: int,
    gaps: Sequence[float] = NEAR,
    bold: frozenset[int] = frozenset(),
    lines: tuple[np.ndarray, np.ndarray] | None = None,
) -> int:
    """Write names beside their marks, first come first served, and leave out what would cover a name or a mark.

    The layout of the figure is final after this call.

    Args:
        fig: the figure of ``axes``.
        axes: where the marks are.
        spots: (m, 2) in the units of the axes, most important first.
        radii: (m,) in points.
        titles: m names; any text.
        limit: most names written.
        gaps: points between mark and name to try.
        bold: indices of names in bold type.
        lines: ends (s, 2) and (s, 2), in the units of the axes, of upright or level lines to keep clear of.

    Returns:
        How many were written.
    """
    import matplotlib.patheffects as effects

    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    renderer = fig.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    frame = axes.get_window_extent(renderer)
    reach = (0.8 * fig.dpi / 72 * radii)[:, None]
    places = axes.transData.transform(spots)
    # Boxes as rows x0, y0, x1, y1: first the marks, then the names written so far.
    taken = np.hstack([places - reach, places + reach])
    if lines is not None:
        ends = [axes.transData.transform(np.reshape(end, (-1, 2))) for end in lines]
        taken = np.vstack([taken, np.hstack([np.minimum(*ends) - 2, np.maximum(*ends) + 2])])
    placed = 0
    halo = [effects.withStroke(linewidth=2.2, foreground="white")]
    for index, title in enumerate(titles):
        if placed == limit:
            break
        others = np.delete(taken, index, axis=0)
        text = axes.annotate(
            canvas.label(title), spots[index], (0, 0), textcoords="offset points", fontsize=7.8, path_effects=halo,
            weight="bold" if index in bold else "normal", **canvas.font(),
        )  # fmt: skip
        for gap in gaps:
            box = _fit(text, radii[index] + 2 + gap, frame, others, renderer, corners=len(gaps) > 1)
            if box is not None:
                taken = np.vstack([taken, box])
                placed += 1
                if gap > FAR[1]:
                    axes.annotate(
                        "", spots[index], text.get_position(), textcoords="offset points", zorder=1,
                        arrowprops={"arrowstyle": "-", "color": canvas.MUTED, "linewidth": 0.5, "shrinkA": 0},
                    )  # fmt: skip
                break
        else:
            text.remove()
    return placed


def _fit(text, away: float, frame, others: np.ndarray, renderer, *, corners: bool) -> np.ndarray | None:
    for (x, y), across, up in (*_SIDES, *(_CORNERS if corners else ())):
        text.set(position=(x * away, y * away), ha=across, va=up)
        x0, y0, x1, y1 = text.get_window_extent(renderer).extents
        inside = x0 >= frame.x0 and x1 <= frame.x1 and y0 >= frame.y0 and y1 <= frame.y1
        covers = (others[:, 0] < x1) & (others[:, 2] > x0) & (others[:, 1] < y1) & (others[:, 3] > y0)
        if inside and not covers.any():
            return np.array([x0, y0, x1, y1])
    return None
