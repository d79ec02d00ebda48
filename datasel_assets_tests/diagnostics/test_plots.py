"""Every picture: small enough, safe with hostile names, right in what it draws."""

import io
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.plots import canvas
from datasel_assets.runs.knee import Curve
from datasel_assets_tests.diagnostics.test_text import HOSTILE

NAMES = ["math", "code", "a source with a long name that goes on and on and on", "数学 問題", "смесь", "x$y$z^2 \\frac"]
SELECTED = (0, 0x72, 0xB2)


def draw_all(names: list[str]) -> dict[str, Callable[[], bytes]]:
    generator = np.random.default_rng(0)
    m = len(names)
    X = generator.standard_normal((400, 8))
    labels = generator.integers(0, m, 400)
    centroids = np.array([X[labels == c].mean(axis=0) for c in range(m)])
    counts = {name: int(count) for name, count in zip(names, generator.integers(1, 9999, m), strict=True)}
    lengths = generator.lognormal(4, 1, 5000)
    shares = generator.dirichlet(np.ones(m))
    overlap = generator.random((m, m))
    return {
        "cluster_map": lambda: plots.cluster_map(X, labels, centroids, names),
        "cluster_sizes": lambda: plots.cluster_sizes(np.bincount(labels, minlength=m), names),
        "source_shares": lambda: plots.source_shares(counts, dict.fromkeys(names[:3], 5)),
        "token_histogram": lambda: plots.token_histogram({name: lengths[i::m] for i, name in enumerate(names)}),
        "length_histogram": lambda: plots.length_histogram(lengths, lengths[lengths > 60], names[-1]),
        "label_neighbourhoods": lambda: plots.label_neighbourhoods(
            names, np.arange(m), [names] * m, [np.linspace(1, 0.7, m)] * m, 0.7
        ),
        "overlap_heatmap": lambda: plots.overlap_heatmap(names, overlap),
        "recipe_scatter": lambda: plots.recipe_scatter(
            names,
            shares,
            overlap[0],
            x_title=names[-1],
            y_title=names[0],
            colour=overlap[1],
            colour_title=names[-1],
            random=names[0],
            longest=names[1],
        ),
        "cluster_occupancy": lambda: plots.cluster_occupancy(
            np.arange(1, m + 1), {name: (row * 90).astype(int) for name, row in zip(names, overlap, strict=True)}, names
        ),
        "source_mix": lambda: plots.source_mix(counts, dict.fromkeys(names, counts), names[-1]),
        "length_profiles": lambda: plots.length_profiles({n: lengths[i::m] for i, n in enumerate(names)}, lengths),
        "dynamics_curves": lambda: plots.dynamics_curves(
            generator.random((60, 5)), generator.random((60, 5)).round(), np.arange(60) < 9, X[:60, :5] ** 2, names[-1]
        ),
        "cost_bars": lambda: plots.cost_bars(dict(zip(names, 10.0 ** np.arange(m), strict=True)), names[-1]),
        "growth": lambda: plots.growth({name: ([1e4, 1e5], [k + 1, 9]) for k, name in enumerate(names)}),
        "ratio_curves": lambda: plots.ratio_curves(
            Curve.of(np.array([0.01, 0.1, 1.0]), 3 + X[:3, :2]),
            Curve.of(np.array([0.01, 0.1, 1.0]), 3 + X[3:6, :2]),
            0.01,
            names[-1],
            names[-1],
        ),
        "run_effects": lambda: plots.run_effects(
            names, shares - 0.2, shares - 0.3, shares - 0.1, 0.05 * (m > 1), names[-1]
        ),
        "score_grid": lambda: plots.score_grid(dict.fromkeys(names, np.where(lengths > 50, lengths, np.nan)), names[0]),
        "score_curve": lambda: plots.score_curve(np.sort(lengths)[::-1], 800, names[-1]),
        "layer_energy": lambda: plots.layer_energy(shares, names, np.ones(m) / m),
        "gradient_energy": lambda: plots.gradient_energy(names, names[:2], overlap[:2] / overlap[:2].sum()),
        "fidelity": lambda: plots.fidelity({name: {f"recall {names[-1]}": 0.5, "overlap": 0.7} for name in names}),
        "training_rounds": lambda: plots.training_rounds(
            generator.dirichlet(np.ones(m), 50),
            labels[:50],
            generator.uniform(-1, 1, 50),
            names,
            np.arange(0, 600, 50) + 800,
            np.where(np.arange(12) == 3, np.nan, 9 - np.arange(12) / 4),
            800,
            names[-1],
        ),
        "spectra": lambda: plots.spectra(dict.fromkeys(names, np.sort(shares)[::-1])),
    }


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def near(png: bytes, colour: tuple[int, int, int]) -> np.ndarray:
    """Mask of the pixels of a colour, up to the rounding of the palette."""
    pixels = np.asarray(opened(png).convert("RGB")).astype(int)
    return (np.abs(pixels - colour) <= 8).all(axis=2)


@pytest.mark.parametrize("name", draw_all(NAMES))
def test_a_picture_is_a_small_palette_png_wide_enough_to_read(name):
    png = draw_all(NAMES)[name]()
    picture = opened(png)
    assert len(png) <= plots.MAX_BYTES == 60_000
    assert (picture.format, picture.mode) == ("PNG", "P")
    assert picture.width >= 700


def test_the_same_input_gives_the_same_picture():
    assert draw_all(NAMES)["cluster_map"]() == draw_all(NAMES)["cluster_map"]()


@pytest.mark.parametrize("name", draw_all(NAMES))
def test_a_picture_takes_any_text_as_text(name):
    picture = draw_all([*HOSTILE[:4], "$\\unknown{$", "a\nb\tc\x00\u202e", "\ud800", "🦜 emoji", "नमस्ते", "x" * 5000])[
        name
    ]
    assert len(picture()) <= plots.MAX_BYTES


EMPTY = {
    "cluster_map": lambda: plots.cluster_map(np.zeros((0, 3)), np.zeros(0, int), np.zeros((0, 3)), []),
    "cluster_map of zero rows": lambda: plots.cluster_map(np.zeros((2, 3)), np.array([-1, -1]), np.zeros((0, 3)), []),
    "cluster_map of one": lambda: plots.cluster_map(np.ones((1, 3)), np.array([0]), np.ones((1, 3)), ["only"]),
    "cluster_sizes": lambda: plots.cluster_sizes(np.zeros(0, int), []),
    "cluster_sizes of none": lambda: plots.cluster_sizes(np.zeros(2, int), ["a", "b"]),
    "source_shares": lambda: plots.source_shares({}, {}),
    "source_shares of nothing selected": lambda: plots.source_shares({"a": 3}, {}),
    "token_histogram": lambda: plots.token_histogram({"a": np.array([np.nan, 0])}),
    "token_histogram of one row": lambda: plots.token_histogram({"a": np.array([7])}),
    "length_histogram": lambda: plots.length_histogram(np.array([np.nan]), np.array([])),
    "length_histogram of nothing selected": lambda: plots.length_histogram(np.array([0, 1, 5.0]), np.array([])),
    "gradient_energy": lambda: plots.gradient_energy([], [], np.zeros((0, 0))),
    "gradient_energy of nothing": lambda: plots.gradient_energy(["0"], ["q"], np.zeros((1, 1))),
    "gradient_energy of many blocks": lambda: plots.gradient_energy(
        [str(k) for k in range(80)], ["q", "k"], np.full((2, 80), 1 / 160)
    ),
    "training_rounds": lambda: plots.training_rounds(
        np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), ["a", "b"], np.zeros(0), np.zeros(0), 0, "loss"
    ),
    "overlap_heatmap": lambda: plots.overlap_heatmap([], np.zeros((0, 0))),
    "overlap_heatmap of one": lambda: plots.overlap_heatmap(["a"], np.ones((1, 1))),
    "recipe_scatter": lambda: plots.recipe_scatter([], np.zeros(0), np.zeros(0), x_title="x", y_title="y"),
    "recipe_scatter of one": lambda: plots.recipe_scatter(["a"], [1.0], [2.0], x_title="x", y_title="y"),
    "recipe_scatter without a value": lambda: plots.recipe_scatter(["a"], [1], [np.nan], x_title="x", y_title="y"),
    "recipe_scatter of equal points": lambda: plots.recipe_scatter(
        ["a", "random", "longest"], np.ones(3), np.ones(3), x_title="", y_title="", colour=np.full(3, np.nan)
    ),
    "cluster_occupancy": lambda: plots.cluster_occupancy(np.zeros(0), {}, []),
    "cluster_occupancy of empty clusters": lambda: plots.cluster_occupancy(np.zeros(2), {"a": np.zeros(2)}, ["x", "y"]),
    "cluster_occupancy of nothing selected": lambda: plots.cluster_occupancy(np.ones(1), {"a": np.zeros(1)}, ["x"]),
    "source_mix": lambda: plots.source_mix({}, {}),
    "source_mix of nothing selected": lambda: plots.source_mix({"a": 3}, {"r": {}}),
    "length_profiles": lambda: plots.length_profiles({"a": np.array([np.nan])}, np.array([3.0])),
    "length_profiles of an unknown pool": lambda: plots.length_profiles({"a": np.array([5])}, np.array([np.nan])),
    "cost_bars": lambda: plots.cost_bars({"a": float("nan")}),
    "cost_bars of nothing": lambda: plots.cost_bars({"a": 0.0, "b": 0.0}),
    "growth": lambda: plots.growth({"a": ([1], [0])}),
    "growth of one size": lambda: plots.growth({"a": ([1000], [2])}),
    "score_curve": lambda: plots.score_curve(np.full(5, np.nan), 3),
    "score_curve of equal scores": lambda: plots.score_curve(np.ones(5), 5),
    "score_curve with nothing kept": lambda: plots.score_curve(np.array([2.0, 1.0]), 0),
    "layer_energy": lambda: plots.layer_energy([], []),
    "layer_energy of many layers": lambda: plots.layer_energy(np.ones(81) / 81, range(81)),
    "fidelity": lambda: plots.fidelity({}),
    "spectra": lambda: plots.spectra({}),
    "spectra of equal rows": lambda: plots.spectra({"a": np.zeros(0)}),
    "spectra of one axis": lambda: plots.spectra({"a": np.ones(1)}),
    "fidelity not measured": lambda: plots.fidelity({"a": {"recall": float("nan")}}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_picture_of_little_or_nothing_is_still_a_picture(name):
    assert opened(EMPTY[name]()).width >= 700


def test_a_picture_of_a_thousand_clusters_and_sources_stays_small():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((9000, 6))
    labels = generator.integers(0, 1000, 9000)
    titles = [f"term{i} · other{i} · third" for i in range(1000)]
    assert len(plots.cluster_map(X, labels, generator.standard_normal((1000, 6)), titles)) <= plots.MAX_BYTES
    assert len(plots.cluster_sizes(np.arange(1000), titles)) <= plots.MAX_BYTES
    assert len(plots.source_shares(dict.fromkeys(titles, 5), dict.fromkeys(titles[:70], 3))) <= plots.MAX_BYTES
    assert len(plots.overlap_heatmap(titles[:90], generator.random((90, 90)))) <= plots.MAX_BYTES
    assert len(plots.token_histogram({t: np.arange(1, 50) for t in titles[:60]})) <= plots.MAX_BYTES


def test_pictures_of_more_recipes_than_are_drawn_stay_small():
    generator = np.random.default_rng(0)
    names = [f"a_recipe_with_a_name_{i}" for i in range(45)]
    x, y = generator.random((2, 45))
    taken = {name: generator.integers(0, 99, 300) for name in names}
    titles = [f"term{i} · other{i} · third" for i in range(300)]
    mixes = {name: dict(zip(titles, taken[name].tolist(), strict=True)) for name in names}
    pool = np.arange(1, 301)
    for png in (
        plots.recipe_scatter(names, x, y, x_title="quality", y_title="diversity", colour=y[::-1]),
        plots.cluster_occupancy(pool, taken, titles),
        plots.source_mix(dict.fromkeys(titles, 1), mixes),
        plots.length_profiles({name: generator.lognormal(4, 1, 900) for name in names}, generator.lognormal(4, 1, 900)),
        plots.cost_bars(dict(zip(names, 1e4**x, strict=True))),
        plots.growth(dict.fromkeys(names, (pool[:5], pool[:5] ** 1.5))),
    ):
        assert len(png) <= plots.MAX_BYTES


def test_the_front_of_the_scatter_is_drawn_towards_the_better_side():
    def green(y_better: str) -> np.ndarray:
        x, y = np.array([0.0, 1, 2, 1]), np.array([2.0, 1.5, 0, 0.2])
        png = plots.recipe_scatter(list("abcd"), x, y, x_title="x", y_title="y", y_better=y_better)
        return near(png, (0x00, 0x9E, 0x73))[140:]  # below the legend

    high, low = green("high"), green("low")
    assert high.sum() > 2 * low.sum()  # a, b and c lead upwards; downwards c alone, a ring without stairs
    assert low.sum() > 20


def test_a_recipe_that_mirrors_the_pool_is_white_and_one_that_avoids_a_cluster_is_not():
    pool = np.array([50, 30, 20])
    same, other = (plots.cluster_occupancy(pool, {"r": np.array(c)}, list("abc")) for c in ([5, 3, 2], [10, 0, 0]))
    dark = [near(png, (0x7A, 0x33, 0x00)).sum() for png in (same, other)]
    # The colour bar alone is dark in one, two cells as well in the other.
    assert dark[1] > 20 * max(dark[0], 1)
    with pytest.raises(ValueError, match="recipes count 2 clusters, the pool 3"):
        plots.cluster_occupancy(pool, {"r": np.array([1, 2])}, list("abc"))


def test_stacked_bars_have_the_lengths_of_the_shares():
    png = plots.source_mix({"a": 50, "b": 50}, {"r": {"a": 25, "b": 75}})
    blue = near(png, SELECTED)
    middle = int(np.flatnonzero(blue.any(axis=1)).mean())  # between the two bars
    # The number inside a bar takes pixels of some lines: the longest line of each bar counts.
    assert blue[middle:].sum(axis=1).max() / blue[:middle].sum(axis=1).max() == pytest.approx(1.5, rel=0.03)


def test_bars_are_as_long_as_the_shares():
    png = plots.source_shares({"a": 50, "b": 50}, {"a": 75, "b": 25})
    blue = near(png, SELECTED)[:, :]
    # The legend patch above the axes is short; bars are the rows with long runs.
    runs = blue.sum(axis=1)
    bars = runs[runs > 60]
    assert bars.max() / bars.min() == pytest.approx(3, rel=0.03)


def test_the_score_curve_is_cut_where_the_budget_ends():
    def distance_to_the_cut(kept: int) -> float:
        png = plots.score_curve(np.linspace(1, 0, 1000), kept)
        accent = near(png, (0xD5, 0x5E, 0x00))
        cut = np.flatnonzero(accent.sum(axis=0) > 0.3 * accent.shape[0])
        return cut.mean() - np.flatnonzero(near(png, SELECTED).any(axis=0))[0]

    assert distance_to_the_cut(500) / distance_to_the_cut(200) == pytest.approx(2.5, rel=0.02)


def test_only_the_pairs_of_the_lower_triangle_are_in_the_heat_map():
    symmetric = np.array([[1, 0.9, 0.1], [0.9, 1, 0.5], [0.1, 0.5, 1]])
    changed = symmetric.copy()
    changed[np.triu_indices(3)] = 0.33
    assert plots.overlap_heatmap(["a", "b", "c"], symmetric) == plots.overlap_heatmap(["a", "b", "c"], changed)
    assert plots.overlap_heatmap(["a", "b", "c"], symmetric) != plots.overlap_heatmap(["a", "b", "c"], changed.T)
    with pytest.raises(ValueError, match="for 2 recipes"):
        plots.overlap_heatmap(["a", "b"], symmetric)


def test_a_title_shows_on_the_map_only_where_it_covers_no_other():
    X = np.tile([1.0, 0, 0], (4, 1))
    close = np.array([[1.0, 0, 0], [1, 1e-9, 0]])
    crowded = plots.cluster_map(X, np.array([0, 0, 0, 1]), close, ["first", "second"])
    alone = plots.cluster_map(X, np.array([0, 0, 0, 1]), close, ["first", ""])
    assert crowded == alone


def test_no_global_state_of_matplotlib_is_touched():
    code = (
        "import sys, matplotlib\n"
        "from datasel_assets.diagnostics import plots\n"
        "assert 'matplotlib.font_manager' not in sys.modules\n"
        "before = matplotlib.rcParams.copy()\n"
        "plots.score_curve([2.0, 1.0], 1)\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_are_cut_and_hold_no_mathematics():
    assert canvas.label("a\n$b$") == r"a \$b\$"
    assert len(canvas.label("x" * 90)) == 40
    assert canvas.label("\u0000\u202eok") == "ok"
    assert canvas.label("\U000e0fff\U0001f9ff") in {"\u25a1", "\U0001f9ff"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (7, "7"),
        (0.25, "0.25"),
        (999, "999"),
        (999.9, "1k"),
        (1000, "1k"),
        (9950, "10k"),
        (52002, "52k"),
        (1_250_000, "1.2M"),
        (999_999, "1M"),
        (3e9, "3G"),
        (-1500, "-1.5k"),
    ],
)
def test_numbers_are_written_short(value, written):
    assert canvas.short_number(value) == written


def test_an_image_in_markdown_carries_its_bytes_and_a_harmless_name():
    png = plots.cluster_sizes(np.array([3]), ["a"])
    markdown = plots.as_markdown(png, "a](x) <b>\n![")
    assert re.fullmatch(r"!\[[^\]\[<>\n]*\]\(data:image/png;base64,[A-Za-z0-9+/=]+\)", markdown)
    assert len(markdown) < 4 / 3 * len(png) + 200


def texts_drawn(monkeypatch: pytest.MonkeyPatch, draw) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Return the texts inside the axes of a picture with the boxes (x0, y0, x1, y1) that they cover, in pixels."""
    found = []

    def measured(fig, **options) -> bytes:
        fig.draw_without_rendering()
        renderer = fig.canvas.get_renderer()
        (axes,) = fig.axes
        found.extend((t.get_text(), t.get_window_extent(renderer).extents) for t in axes.texts if t.get_text())
        return b""

    monkeypatch.setattr(canvas, "to_png", measured)
    draw()
    return found


def overlapping(texts) -> list[tuple[str, str]]:
    return [
        (a, b)
        for i, (a, (ax0, ay0, ax1, ay1)) in enumerate(texts)
        for b, (bx0, by0, bx1, by1) in texts[:i]
        if ax0 < bx1 and bx0 < ax1 and ay0 < by1 and by0 < ay1
    ]


def test_names_and_numbers_of_many_score_columns_stay_apart(monkeypatch):
    values = np.where(np.arange(400) % 9 == 0, np.nan, np.linspace(-123456, 98765, 400))
    scores = {f"mean_log_probability_of_response_{i}": values for i in range(12)}
    texts = texts_drawn(monkeypatch, lambda: plots.score_grid(scores, "scores"))
    assert len(texts) == 36
    assert overlapping(texts) == []


@pytest.mark.parametrize(
    ("pool", "chosen"), [(10, 10), (10, 10.2), (10.2, 10), (1, 1), (900, 950), (950, 900), (1, 999)]
)
def test_the_medians_of_two_distributions_are_written_apart_and_inside_the_axes(monkeypatch, pool, chosen):
    spread = np.array([1.0, 999.0])
    draw = lambda: plots.length_histogram(np.r_[[pool] * 9, spread], np.r_[[chosen] * 9, spread])  # noqa: E731
    texts = texts_drawn(monkeypatch, draw)
    assert [text.partition(" ")[0] for text, _ in texts] == ["median", "median"]
    assert overlapping(texts) == []
    assert all(box[0] > 40 and box[2] < 7 * 160 for _, box in texts)
