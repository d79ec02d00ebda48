"""Which pictures go with a selection, and with several side by side."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics import pictures, plots
from datasel_assets.diagnostics.aims import QUALITY, target_measure
from datasel_assets.diagnostics.pictures import comparison_pictures, selection_pictures, titled

POOL = pl.DataFrame(
    {
        "row_id": ["a", "b", "c", "d", "e"],
        "source": ["x", "x", "y", "y", "y"],
        "n_response_tokens": [1, 2, 3, None, 5],
        "category.topic": ["sums", "sums", None, "fruit", "fruit"],
        "cluster": [0, 0, 1, None, 2],
    }
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple, dict]]:
    """What the plots were asked to draw; nothing is drawn."""
    asked: list[tuple[str, tuple, dict]] = []

    def recorded(name: str):
        def draw(*values, **named) -> bytes:
            asked.append((name, values, named))
            return name.encode()

        return draw

    for name in plots.__all__:
        if callable(getattr(plots, name)):
            monkeypatch.setattr(pictures.plots, name, recorded(name))
    return asked


def test_a_selection_is_shown_beside_its_pool(drawn):
    found = selection_pictures(
        POOL,
        pl.Series(["c", "a", "e"]),
        np.array([0.5, 0.9, 0.5, 0.1]),
        {"category.topic": "category of topic"},
        ["numbers", "food"],
    )
    assert [caption for _, caption in found] == [
        "share of each source",
        "response tokens, pool and selection",
        "score by rank, with the cut",
        "share of each category of topic",
        "share of each cluster",
    ]
    lengths, sources, scores, topics, clusters = (values for _, values, _ in drawn)
    assert sources == ({"y": 3, "x": 2}, {"y": 2, "x": 1})
    assert lengths[0].tolist() == pytest.approx([1, 2, 3, float("nan"), 5], nan_ok=True)
    assert lengths[1].tolist() == [1, 3, 5]
    assert (scores[0].tolist(), scores[1]) == ([0.9, 0.5, 0.5, 0.1], 3)
    assert topics == ({"sums": 2, "fruit": 2}, {"sums": 1, "fruit": 1})
    assert clusters == ({"numbers": 2, "2": 1, "food": 1}, {"2": 1, "food": 1, "numbers": 1})


@pytest.mark.parametrize("scores", [[], [0.5, 0.5]])
def test_scores_that_do_not_differ_are_not_drawn(drawn, scores: list[float]):
    found = selection_pictures(POOL, pl.Series(["a"]), np.array(scores), {})
    assert [caption for _, caption in found] == ["share of each source", "response tokens, pool and selection"]


CHOSEN = {"one": np.array(["a", "c"]), "two": np.array(["e"])}


def figures(**columns) -> pl.DataFrame:
    base = {"recipe": list(CHOSEN), "vendi": [2.0, 1.0], "cpu_seconds": [0.5, None]}
    return pl.DataFrame({**base, **columns}, schema_overrides=dict.fromkeys(columns, pl.Float64))


def test_selections_are_shown_side_by_side(drawn):
    aims = [QUALITY, target_measure("adding")]
    table = figures(quality=[0.5, 0.6], near_adding=[0.1, None])
    found = comparison_pictures(POOL, CHOSEN, table, aims, ["numbers", "food", "code"])
    assert [caption for _, caption in found] == [
        *("quality, diversity and target", "overlap of the recipes", "clusters", "mix of sources", "response tokens"),
        "cost of the selections",
    ]
    asked = {name: (values, named) for name, values, named in drawn}
    (names, across, up), said = asked["recipe_scatter"]
    assert (names, across.tolist(), up.tolist()) == (["one", "two"], [0.5, 0.6], [2.0, 1.0])
    assert (said["x_title"], said["colour_title"]) == ("quality", "near adding")
    assert said["colour"].tolist() == pytest.approx([0.1, float("nan")], nan_ok=True)
    pool, parts, titles = asked["cluster_occupancy"][0]
    assert (pool.tolist(), {name: part.tolist() for name, part in parts.items()}, titles) == (
        [2, 1, 1],
        {"one": [1, 1, 0], "two": [0, 0, 1]},
        ["numbers", "food", "code"],
    )
    assert asked["source_mix"][0] == ({"x": 2.0, "y": 3.0}, {"one": {"x": 1.0, "y": 1.0}, "two": {"y": 1.0}})
    assert asked["cost_bars"][0] == ({"one": 0.5},)


def test_where_quality_is_not_known_the_first_target_lies_across(drawn):
    aims = [QUALITY, target_measure("adding")]
    comparison_pictures(POOL, CHOSEN, figures(quality=[None, None], near_adding=[0.1, 0.2]), aims)
    _, values, named = drawn[0]
    assert values[1].tolist() == [0.1, 0.2]
    assert (named["x_title"], named["colour"], named["colour_title"]) == ("near adding", None, "")


def test_without_aims_and_clusters_their_pictures_are_left_out(drawn):
    found = comparison_pictures(POOL, CHOSEN, figures(quality=[None, None]), [QUALITY])
    assert {"quality, diversity and target", "clusters"} & {caption for _, caption in found} == set()


def test_a_cluster_without_a_title_keeps_its_number():
    assert titled({"0": 3, "9": 1}, ["sums"]) == {"sums": 3, "9": 1}


def test_the_pictures_are_drawn():
    found = selection_pictures(POOL, pl.Series(["a", "c"]), np.array([1.0, 2.0]), {}, ["numbers"])
    found += comparison_pictures(POOL, CHOSEN, figures(quality=[0.5, 0.6]), [QUALITY], ["numbers", "food", "code"])
    assert all(png.startswith(b"\x89PNG") for png, _ in found)
