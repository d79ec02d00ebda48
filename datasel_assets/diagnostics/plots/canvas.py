"""What every picture shares: figure, colours, safe text, PNG. Belongs here: nothing about what is drawn.

The object-oriented API of matplotlib is used throughout: no pyplot, no current figure, no global setting, so that
pictures can be made in any thread and leave nothing behind.
"""

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from datasel_assets.diagnostics.text import clean, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

MAX_BYTES = 60_000
"""A picture is stored in the event log of the orchestrator; larger ones slow every page that lists events."""

# Okabe and Ito (2008): told apart with every common colour blindness. The pool is always grey, the selection blue.
INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e4e7eb"
POOL = "#b4bcc6"
SELECTED = "#0072b2"
ACCENT = "#d55e00"
CYCLE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#a58d00", "#5d6770")

_WIDTH = 7.0
_DPI = 160
_LABEL = 40
# Fonts with wide coverage that systems carry; DejaVu Sans comes with matplotlib.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)


def figure(height: float, title: str, note: str = "") -> "tuple[Figure, Axes]":
    """Return a figure 7 inches wide with one set of axes, a title and a muted note under it.

    Args:
        height: inches.
        title: what the picture shows.
        note: what a reader needs to read it right (counts, scale).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, rect=(0, 0, 1, 1 - (0.5 if note else 0.34) / height))
    fig = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(fig)
    fig.text(0.012, 1 - 0.09 / height, label(title, 90), fontsize=11.5, weight="bold", va="top", **font())
    if note:
        fig.text(0.012, 1 - 0.31 / height, label(note, 120), fontsize=8.5, color=MUTED, va="top", **font(None))
    axes = fig.add_subplot()
    axes.set_facecolor("white")
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=INK)
    axes.set_axisbelow(True)
    return fig, axes


def font(color: str | None = INK) -> dict[str, Any]:
    """Return the text properties for fonts that have the glyphs, in ``color`` unless None."""
    properties: dict[str, Any] = {"fontfamily": list(_fonts()[0])}
    if color:
        properties["color"] = color
    return properties


def label(text: object, limit: int = _LABEL) -> str:
    r"""Return text from data as a label: one line, cut, no mathematics, only glyphs that can be drawn.

    >>> label("a $x$ b")
    'a \\$x\\$ b'
    """
    shown = clean(text, limit)
    covered = _fonts()[1]
    return "".join(c if ord(c) in covered else "\u25a1" for c in shown).replace("$", r"\$")


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """Return ``colour`` mixed with white; strength 1 is the colour itself."""
    from matplotlib.colors import to_rgb

    r, g, b = (1 - strength * (1 - part) for part in to_rgb(colour))
    return r, g, b


def heat() -> "LinearSegmentedColormap":
    """Return one hue from white to dark: order survives any colour vision and grey print."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", ["#f5f7fa", "#9ecae1", "#0072b2", "#08306b"])


def caption_axis(axes: "Axes", x: str = "", y: str = "") -> None:
    """Name the axes in muted small text."""
    axes.set_xlabel(label(x, 80), fontsize=8.5, labelpad=4, **font(None), color=MUTED)
    axes.set_ylabel(label(y, 80), fontsize=8.5, labelpad=4, **font(None), color=MUTED)


def names(axes: "Axes", texts: Sequence[str]) -> None:
    """Put safe names at 0, 1, 2, ... of the y axis."""
    axes.set_yticks(range(len(texts)), [label(text) for text in texts], fontsize=8.5, **font())


def short_number(value: float) -> str:
    """Return a number in at most five characters.

    >>> short_number(52002), short_number(1_250_000), short_number(7), short_number(0.25)
    ('52k', '1.2M', '7', '0.25')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            scaled = value / size
            return f"{scaled:.0f}{unit}" if abs(scaled) >= 9.95 else f"{scaled:.1f}".removesuffix(".0") + unit
    return f"{value:.3g}"


def number_axis(axis: Any) -> None:
    """Write the ticks of an axis as short numbers, without offset or powers of ten."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    axis.set_minor_formatter(NullFormatter())


def percent_axis(axis: Any) -> None:
    """Write the ticks of an axis of shares as percentages."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def log_decades(axes: "Axes", low: float, high: float) -> None:
    """Make x logarithmic over [low, high] with ticks at 1, 2 and 5 of each decade (fewer where they would crowd)."""
    import numpy as np

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if np.log10(high / low) < 3.2 else (1,)
    axes.set_xticks([s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high])
    axes.set_xticks([], minor=True)
    number_axis(axes.xaxis)


def empty(axes: "Axes", message: str) -> None:
    """Say in words why there is nothing to draw."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(
        0.5, 0.5, label(message, 80), transform=axes.transAxes, ha="center", va="center", fontsize=10, **font(MUTED)
    )


def legend(axes: "Axes", handles: Any = None, **properties: Any) -> None:
    """Add a frameless legend in the picture's font."""
    if handles is None:
        handles = axes.get_legend_handles_labels()[0]
    made = axes.legend(handles=handles, frameon=False, fontsize=8.5, handlelength=1.2, handletextpad=0.5, **properties)
    for text in made.get_texts():
        text.set(**font())


def to_png(fig: "Figure", colours: Sequence[int] = (128, 64, 32), dpi: int | None = None) -> bytes:
    """Render a figure as a palette PNG of at most 60 KB: 1120 pixels wide, less only if it would be larger.

    Args:
        fig: the figure.
        colours: palette sizes to try; a picture of one colour needs few.
        dpi: dots per inch of the first try, by default those of the figure; a tall one with little in it needs fewer.

    Raises:
        ValueError: even the smallest rendering is too large.
    """
    from PIL import Image

    dpi = dpi or _DPI
    tries = ((dpi, 1), (min(dpi, 115), 2), (min(dpi, 101), 4))
    for density, fewer in tries:
        raw = io.BytesIO()
        fig.savefig(raw, format="rgba", dpi=density)
        width, height = (int(side) for side in fig.get_size_inches() * density)
        image = Image.frombytes("RGBA", (width, height), raw.getvalue()).convert("RGB")
        for size in (max(count // fewer, 8) for count in colours):
            png = io.BytesIO()
            # Maximum coverage keeps a hue that only a few discs have; median cut would merge it with its neighbour.
            image.quantize(size, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
            if png.tell() <= MAX_BYTES:
                return png.getvalue()
    raise ValueError(f"the picture takes {png.tell()} bytes where {MAX_BYTES} are allowed: draw fewer marks")


def as_markdown(png: bytes, alt: str) -> str:
    """Return a PNG as a Markdown image with its bytes inline; ``alt`` may be any text."""
    return f"![{plain(alt, 120)}](data:image/png;base64,{base64.b64encode(png).decode()})"


@lru_cache(maxsize=1)
def _fonts() -> tuple[tuple[str, ...], frozenset[int]]:
    """Return the font families to use and the code points that they can draw."""
    from matplotlib.font_manager import FontProperties, fontManager
    from matplotlib.ft2font import FT2Font

    installed = {entry.name for entry in fontManager.ttflist}
    families = ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))
    covered: set[int] = set()
    for family in families:
        covered.update(FT2Font(fontManager.findfont(FontProperties(family=family))).get_charmap())
    return families, frozenset(covered)
