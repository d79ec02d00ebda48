"""Pictures per source: its share of the pool and of a selection, its lengths."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_SHOWN = 20
_BINS = 60


def source_shares(pool: Mapping[str, int], selection: Mapping[str, int]) -> bytes:
    """Draw what part of the pool and of a selection each source holds; the 20 largest of either by name.

    Args:
        pool: source -> rows in the pool.
        selection: source -> rows selected.

    Returns:
        PNG, at most 60 KB.
    """
    totals = max(sum(pool.values()), 1), max(sum(selection.values()), 1)
    names = list(dict.fromkeys([*pool, *selection]))
    shares = {name: (pool.get(name, 0) / totals[0], selection.get(name, 0) / totals[1]) for name in names}
    order = sorted(names, key=lambda name: (-max(shares[name]), name))
    shown = [*order[:_SHOWN]]
    values = np.array([shares[name] for name in shown]).reshape(-1, 2)
    if len(order) > len(shown):
        shown.append(f"{len(order) - _SHOWN} more sources")
        values = np.vstack([values, np.sum([shares[name] for name in order[_SHOWN:]], axis=0)])
    fig, axes = canvas.figure(
        1.0 + 0.36 * max(len(shown), 2),
        "Share of each source",
        f"{sum(selection.values()):,} rows selected of {sum(pool.values()):,} in the pool",
    )
    if not shown:
        canvas.empty(axes, "no source")
        return canvas.to_png(fig)
    places = np.arange(len(shown))
    axes.barh(places - 0.19, values[:, 0], height=0.34, color=canvas.POOL, label="pool")
    axes.barh(places + 0.19, values[:, 1], height=0.34, color=canvas.SELECTED, label="selected")
    for shift, column, colour in ((-0.19, 0, canvas.MUTED), (0.19, 1, canvas.INK)):
        for place, share in zip(places, values[:, column], strict=True):
            axes.annotate(
                _percent(share), (share, place + shift), (3, 0), textcoords="offset points", va="center",
                fontsize=7.5, **canvas.font(colour),
            )  # fmt: skip
    canvas.names(axes, shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, max(values.max() * 1.1, 0.01))
    axes.set_xticks([])
    canvas.legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0)
    return canvas.to_png(fig)


def token_histogram(values: Mapping[str, np.ndarray], unit: str = "tokens") -> bytes:
    """Draw the distribution of lengths of each source as a ridge on one logarithmic axis, medians marked.

    Args:
        values: source -> one positive number per row; NaN and numbers below 1 are left out. The 20 sources with
            most rows are drawn.
        unit: what is counted.
    """
    known = {name: _countable(column) for name, column in values.items()}
    order = sorted((name for name in known if len(known[name])), key=lambda name: (-len(known[name]), name))[:_SHOWN]
    rest = sum(1 for name in known if len(known[name])) - len(order)
    note = "share of the source's rows per length; tick = median" + (
        f"; {rest} smaller sources not drawn" if rest else ""
    )
    fig, axes = canvas.figure(1.15 + 0.38 * max(len(order), 2), f"{unit.capitalize()} per row, by source", note)
    if not order:
        canvas.empty(axes, f"no {unit} are counted")
        return canvas.to_png(fig)
    low, high = length_range(np.concatenate([known[name] for name in order]))
    edges = length_edges(low, high, _BINS)
    middles = np.sqrt(edges[:-1] * edges[1:])
    for place, name in enumerate(order):
        column = np.clip(known[name], low, high)
        counts = _smooth(np.histogram(column, edges)[0] / len(column))
        ridge = place + 0.36 - 0.86 * counts / counts.max()
        axes.fill_between(
            middles, place + 0.36, ridge, color=canvas.tint(canvas.SELECTED, 0.55), linewidth=0, zorder=place + 2
        )
        axes.plot(middles, ridge, color=canvas.SELECTED, linewidth=0.9, zorder=place + 2)
        median = float(np.median(column))
        axes.plot([median, median], [place + 0.36, place + 0.06], color=canvas.ACCENT, linewidth=1.8, zorder=place + 2)
        axes.text(
            1.01, place + 0.2, canvas.short_number(median), transform=axes.get_yaxis_transform(), va="center",
            fontsize=8, **canvas.font(canvas.ACCENT),
        )  # fmt: skip
    canvas.names(axes, order)
    axes.set_ylim(len(order) - 0.45, -0.65)
    canvas.log_decades(axes, low, high)
    axes.grid(axis="x", color=canvas.GRID, linewidth=0.7)
    canvas.caption_axis(axes, f"{unit} (logarithmic)")
    return canvas.to_png(fig)


def length_range(values: np.ndarray) -> tuple[float, float]:
    """Return the axis limits that hold all but the extreme 0.1 % of positive ``values`` on either side."""
    low, high = np.quantile(values, [0.001, 0.999])
    low = max(1.0, float(low) * 0.8)
    return low, max(float(high) * 1.25, low * 4)


def length_edges(low: float, high: float, bins: int) -> np.ndarray:
    """Return logarithmic bin edges from low to high, a whole number at least in each: short lengths leave no gaps."""
    inner = np.floor(np.geomspace(low, high, bins + 1)[1:-1]) - 0.5
    return np.unique([low, *inner[(inner > low) & (inner < high)], high])


def _countable(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values) & (values >= 1)]


def _smooth(counts: np.ndarray) -> np.ndarray:
    """Blur by about one bin: the steps of whole numbers at short lengths are no feature of the source."""
    return np.convolve(np.pad(counts, 2, mode="edge"), [0.06, 0.24, 0.4, 0.24, 0.06], mode="valid")


def _percent(share: float) -> str:
    if share == 0:
        return "0"
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"
