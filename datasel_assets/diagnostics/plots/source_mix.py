"""Picture of the sources of recipes."""

from collections.abc import Mapping

import numpy as np

from datasel_assets.diagnostics.plots import canvas

_SOURCES = 7
_RECIPES = 40
_REST = "#d5dae0"


def source_mix(pool: Mapping[str, float], selections: Mapping[str, Mapping[str, float]], unit: str = "rows") -> bytes:
    """Draw what part of each recipe comes from each source as stacked bars; the pool stands on top.

    Args:
        pool: source -> rows (or tokens) of the pool; the seven largest of pool or recipes have a colour.
        selections: recipe -> the same of its rows; the first 40 are drawn.
        unit: what is counted.

    Returns:
        PNG, at most 60 KB.
    """
    from matplotlib.patches import Patch

    bars = {"pool": pool, **{name: selections[name] for name in list(selections)[:_RECIPES]}}
    sources = list(dict.fromkeys(source for counts in bars.values() for source in counts))
    table = np.array([[float(counts.get(source, 0)) for source in sources] for counts in bars.values()])
    table = table.reshape(len(bars), len(sources))
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)
    weight = shares.mean(axis=0) + shares[0]
    order = sorted(range(len(sources)), key=lambda i: (-weight[i], sources[i]))
    named, rest = order[:_SOURCES], order[_SOURCES:]
    height = 0.3 if len(bars) <= 20 else 0.22
    note = f"share of {unit}" + (f"; {len(rest)} smaller sources together in grey" if rest else "")
    fig, axes = canvas.figure(1.35 + height * max(len(bars), 3), "What recipes are mixed of", note)
    if not sources:
        canvas.empty(axes, "no source")
        return canvas.to_png(fig)
    places = np.arange(len(bars)) + np.r_[-0.3, np.zeros(len(bars) - 1)]
    left = np.zeros(len(bars))
    handles = []
    columns = [(shares[:, i], canvas.CYCLE[k], sources[i]) for k, i in enumerate(named)]
    if rest:
        columns.append((shares[:, rest].sum(axis=1), _REST, f"{len(rest)} more"))
    for values, colour, name in columns:
        axes.barh(places, values, left=left, height=0.78, color=colour, edgecolor="white", linewidth=0.6)
        dark = colour in (canvas.CYCLE[0], canvas.CYCLE[7], canvas.CYCLE[5], canvas.CYCLE[2])
        for place, start, value in zip(places, left, values, strict=True):
            if value >= 0.06:
                axes.text(
                    start + value / 2, place, f"{100 * value:.0f}", ha="center", va="center", fontsize=7,
                    **canvas.font("white" if dark else canvas.INK),
                )  # fmt: skip
        left = left + values
        handles.append(Patch(color=colour, label=canvas.label(name, 22)))
    size = 8.5 if len(bars) <= 20 else 7
    axes.set_yticks(places, [canvas.label(name, 30) for name in bars], fontsize=size, **canvas.font())
    axes.set_ylim(len(bars) - 0.45, -0.85)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    canvas.legend(axes, handles, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=3, borderaxespad=0.3)
    return canvas.to_png(fig)
