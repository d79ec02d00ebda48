"""Distributions of lengths one under the other, on one logarithmic axis: what sources and recipes share."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_BINS = 60


def ridges(
    values: Mapping[str, np.ndarray],
    title: str,
    note: str,
    unit: str,
    *,
    limit: int,
    by_size: bool,
    reference: np.ndarray | None = None,
) -> bytes:
    """Draw one ridge per name, its median marked and written at the right.

    Args:
        values: name -> one positive number per row; NaN and numbers below 1 are left out, and names without any other.
        title: what is drawn.
        note: how to read it.
        unit: what is counted.
        limit: most ridges drawn.
        by_size: whether names with most rows come first; else the order of ``values`` stands.
        reference: numbers drawn in grey behind each ridge.

    Returns:
        PNG, at most 60 KB.
    """
    known = {name: _countable(column) for name, column in values.items()}
    order = [name for name in known if len(known[name])]
    if by_size:
        order.sort(key=lambda name: (-len(known[name]), name))
    rest = len(order) - limit
    order = order[:limit]
    if rest > 0:
        note += f"; {rest} {'smaller' if by_size else 'more'} not drawn"
    room = 0.38 if len(order) <= 20 else 0.28
    fig, axes = canvas.figure(1.15 + room * max(len(order), 2), title, note)
    if not order:
        canvas.empty(axes, f"no {unit} are counted")
        return canvas.to_png(fig)
    behind = None if reference is None else _countable(reference)
    everything = [known[name] for name in order] + ([] if behind is None else [behind])
    low, high = length_range(np.concatenate(everything))
    edges = length_edges(low, high, _BINS)
    middles = np.sqrt(edges[:-1] * edges[1:])
    grey = None if behind is None or not len(behind) else _shape(behind, low, high, edges)
    for place, name in enumerate(order):
        floor, above = place + 0.36, place + 2
        if grey is not None:
            axes.fill_between(middles, floor, floor - 0.86 * grey, color=canvas.GRID, linewidth=0, zorder=above)
        ridge = floor - 0.86 * _shape(known[name], low, high, edges)
        shade = canvas.tint(canvas.SELECTED, 0.55)
        # Over a grey shape the ridge must let it show: an outline and a pale fill.
        if grey is None:
            axes.fill_between(middles, floor, ridge, color=shade, linewidth=0, zorder=above)
        axes.plot(middles, ridge, color=canvas.SELECTED, linewidth=0.9 if grey is None else 1.3, zorder=above)
        median = float(np.median(np.clip(known[name], low, high)))
        axes.plot([median, median], [floor, place + 0.06], color=canvas.ACCENT, linewidth=1.8, zorder=above)
        written = canvas.short_number(round(median) if median >= 10 else median)
        axes.text(
            1.01, place + 0.2, written, transform=axes.get_yaxis_transform(), va="center", fontsize=8,
            **canvas.font(canvas.ACCENT),
        )  # fmt: skip
    size = 8.5 if len(order) <= 20 else 7
    axes.set_yticks(range(len(order)), [canvas.label(name) for name in order], fontsize=size, **canvas.font())
    axes.set_ylim(len(order) - 0.45, -0.65)
    canvas.log_decades(axes, low, high)
    axes.grid(axis="x", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, f"{unit} (logarithmic)")
    return canvas.to_png(fig) if len(order) <= 20 else canvas.to_png(fig, colours=(32, 16), dpi=120)


def length_range(values: np.ndarray) -> tuple[float, float]:
    """Return the axis limits that hold all but the extreme 0.1 % of positive ``values`` on either side."""
    low, high = np.quantile(values, [0.001, 0.999])
    low = max(1.0, float(low) * 0.8)
    return low, max(float(high) * 1.25, low * 4)


def length_edges(low: float, high: float, bins: int) -> np.ndarray:
    """Return logarithmic bin edges from low to high, a whole number at least in each: short lengths leave no gaps."""
    inner = np.floor(np.geomspace(low, high, bins + 1)[1:-1]) - 0.5
    return np.unique([low, *inner[(inner > low) & (inner < high)], high])


def _shape(values: np.ndarray, low: float, high: float, edges: np.ndarray) -> np.ndarray:
    counts = _smooth(np.histogram(np.clip(values, low, high), edges)[0] / len(values))
    return counts / counts.max()


def _countable(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values) & (values >= 1)]


def _smooth(counts: np.ndarray) -> np.ndarray:
    """Blur by about one bin: the steps of whole numbers at short lengths are no feature of what is drawn."""
    return np.convolve(np.pad(counts, 2, mode="edge"), [0.06, 0.24, 0.4, 0.24, 0.06], mode="valid")
