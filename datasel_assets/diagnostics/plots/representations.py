"""Pictures of representations: energy per layer, and what compression kept."""

from collections.abc import Mapping, Sequence

import numpy as np

from datasel_assets.diagnostics.plots import canvas


def layer_energy(
    shares: Sequence[float], layers: Sequence[int | str], compressed: Sequence[float] | None = None
) -> bytes:
    """Draw which part of the squared norm each layer brings to a concatenated vector.

    Args:
        shares: one share per layer, summing to 1.
        layers: names of the layers (index in the tuple of hidden states).
        compressed: the same shares after compression, where known.

    Returns:
        PNG, at most 60 KB.
    """
    before = np.asarray(shares, np.float64)
    fig, axes = canvas.figure(
        3.0,
        "Energy by layer",
        f"share of the squared norm of a vector; equal shares would be {100 / max(len(before), 1):.1f} %",
    )
    if not len(before):
        canvas.empty(axes, "no layer")
        return canvas.to_png(fig)
    places = np.arange(len(before))
    columns = [(before, canvas.SELECTED if compressed is None else canvas.POOL, "before compression")]
    if compressed is not None:
        columns.append((np.asarray(compressed, np.float64), canvas.SELECTED, "after compression"))
    width = 0.72 / len(columns)
    for number, (values, colour, name) in enumerate(columns):
        shift = (number - (len(columns) - 1) / 2) * width
        axes.bar(places + shift, values, width=width * 0.96, color=colour, label=name)
        if len(before) <= 14:
            for place, value in zip(places, values, strict=True):
                axes.annotate(
                    f"{100 * value:.0f}", (place + shift, value), (0, 2), textcoords="offset points", ha="center",
                    va="bottom", fontsize=7.5, **canvas.font(canvas.MUTED),
                )  # fmt: skip
    axes.axhline(1 / len(before), color=canvas.ACCENT, linewidth=1, linestyle=(0, (3, 2)))
    step = max(1, len(layers) // 24)
    axes.set_xticks(places[::step], [canvas.label(name, 12) for name in layers][::step], fontsize=8.5, **canvas.font())
    axes.set_ylim(0, max(float(np.max(values)) for values, _, _ in columns) * 1.12)
    axes.locator_params(axis="y", nbins=5)
    canvas.percent_axis(axes.yaxis)
    canvas.caption_axis(axes, "layer (0 = token embeddings)")
    if compressed is not None:
        canvas.legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0)
    return canvas.to_png(fig)


def fidelity(measures: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw how faithful each compressed representation is to its uncompressed vectors.

    Args:
        measures: representation -> measure (``"neighbour recall@10"``, ``"selection overlap"``, ...) -> value in
            [0, 1]; NaN or absent = not measured. The first 16 representations and 4 measures are drawn.

    Returns:
        PNG, at most 60 KB.
    """
    from matplotlib.lines import Line2D

    names = list(measures)[:16]
    kinds = list(dict.fromkeys(kind for name in names for kind in measures[name]))[:4]
    fig, axes = canvas.figure(
        1.25 + 0.36 * max(len(names), 2), "What compression kept", "1 = as the uncompressed vectors"
    )
    if not kinds:
        canvas.empty(axes, "no fidelity was measured")
        return canvas.to_png(fig)
    marks = ("o", "s", "D", "^")
    for place, name in enumerate(names):
        values = [float(measures[name].get(kind, np.nan)) for kind in kinds]
        known = [value for value in values if np.isfinite(value)]
        if known:
            axes.plot([min(known), max(known)], [place, place], color=canvas.GRID, linewidth=3, solid_capstyle="round")
        for kind, value in enumerate(values):
            axes.plot(
                value, place, marks[kind], color=canvas.CYCLE[kind], markersize=7.5, markeredgecolor="white",
                markeredgewidth=0.9, zorder=3,
            )  # fmt: skip
    canvas.names(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-0.015, 1.03)
    axes.set_xticks(np.linspace(0, 1, 6))
    canvas.number_axis(axes.xaxis)
    axes.grid(axis="x", color=canvas.GRID, linewidth=0.7)
    handles = [
        Line2D([], [], linestyle="", marker=marks[i], color=canvas.CYCLE[i], label=canvas.label(kind))
        for i, kind in enumerate(kinds)
    ]
    canvas.legend(
        axes,
        handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(kinds),
        borderaxespad=0,
        columnspacing=1.2,
    )
    return canvas.to_png(fig)
