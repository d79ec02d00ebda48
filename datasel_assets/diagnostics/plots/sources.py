"""Pictures per source: its share of the pool and of a selection, its lengths."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas
from datasel_assets.diagnostics.plots.ridges import ridges

_SHOWN = 20


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
    note = "share of the source's rows per length; tick = median"
    return ridges(values, f"{unit.capitalize()} per row, by source", note, unit, limit=_SHOWN, by_size=True)


def _percent(share: float) -> str:
    if share == 0:
        return "0"
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"
