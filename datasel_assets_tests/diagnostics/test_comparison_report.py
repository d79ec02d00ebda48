"""The comparison page, the verdict against random rows, churn, fronts and growth."""

import base64
import hashlib
import html
import math
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.churn import Churn, churn
from datasel_assets.diagnostics.comparison_report import MAX_BYTES, comparison_html
from datasel_assets.diagnostics.growth import fit_growth
from datasel_assets.diagnostics.measures import MEASURES, Measure
from datasel_assets.diagnostics.overlap import jaccard, overlap_pairs
from datasel_assets.diagnostics.pareto import pareto_front
from datasel_assets.diagnostics.recommend import Advice
from datasel_assets.diagnostics.spread import Spread
from datasel_assets.diagnostics.verdict import against_random
from datasel_assets_tests.diagnostics.test_report import ALLOWED, Page
from datasel_assets_tests.diagnostics.test_text import HOSTILE

FIGURES = pl.DataFrame(
    {
        "recipe": ["deita", "random", "mig"],
        "rows": [100, 100, 300],
        "seconds": [1.5, None, 2.0],
        "vendi": [90.0, 100.0, 120.0],
        "self_bleu": [0.1, 0.2, 0.2],
        "tag_share": [float("nan")] * 3,
        "cluster_js": [0.5, 0.01, 0.2],
        "reward": [0.9, 0.5, 0.4],
    }
)
REWARD = Measure("reward", "mean reward", "high", "of a reward model", "quality")


def page(**changes) -> str:
    return comparison_html(**{"title": "pool", "summary": "three recipes", "figures": FIGURES, **changes})


def test_a_recipe_is_behind_where_it_is_not_better_than_random_rows():
    deita, mig = against_random(FIGURES, {**MEASURES, "reward": REWARD})
    assert (deita.recipe, deita.beats, deita.behind) == ("deita", ("self_bleu", "reward"), ("vendi",))
    assert (mig.recipe, mig.beats, mig.behind) == ("mig", ("vendi",), ("self_bleu", "reward"))
    assert (deita.rows, deita.comparable, mig.rows, mig.comparable) == (1, True, 3, False)
    assert against_random(FIGURES.filter(pl.col("recipe") != "random")) == []
    unknown = FIGURES.with_columns(vendi=None, self_bleu=None).drop("rows")
    assert [(v.beats, v.behind, v.rows, v.comparable) for v in against_random(unknown)] == [((), (), None, True)] * 2


def test_what_only_one_recipe_aims_at_is_held_against_that_one_first_and_against_no_other():
    near = Measure("near_code", "near code", "high", "cosine", "aims", judged=False)
    figures = FIGURES.with_columns(near_code=pl.Series([0.1, 0.5, 0.9]))
    deita, mig = against_random(figures, {**MEASURES, "near_code": near}, aims={"mig": {"near_code"}})
    assert mig.beats == ("near_code", "vendi")
    assert "near_code" not in (*deita.beats, *deita.behind)


def test_the_page_says_plainly_what_does_not_beat_random_rows():
    shown = "|".join(Page(page(extra=[REWARD])).texts)
    assert "2 of 2 recipes do not beat 'random' on at least one measure." in shown
    assert "deita|Vendi|self-BLEU, mean reward" in shown
    assert "mig|self-BLEU, mean reward|Vendi|3 times as many" in shown
    assert "read with care" in shown
    worst = FIGURES.with_columns(vendi=pl.Series([1.0, 2, 3]), self_bleu=pl.Series([0.3, 0.2, 0.1]))
    assert "On no measure at all: deita." in "|".join(Page(page(figures=worst)).texts)
    alone = page(figures=FIGURES.head(1))
    assert "Nothing can be said: there is no recipe" in alone


def test_figures_stand_in_the_table_of_their_group_and_those_behind_are_marked():
    text = page(extra=[REWARD])
    assert '<td class="number behind">90</td>' in text
    assert '<td class="number ahead">120</td>' in text
    assert '<td class="number">100</td>' in text
    shown = "|".join(Page(text).texts)
    assert "Diversity|orange = not better than random, bold = better|recipe|Vendi|deita|90|random|100|mig|120" in shown
    assert "Shift from the pool|recipe|JS of clusters|" in shown
    assert "Recipes side by side|recipe|rows|seconds|deita|100|1.5|random|100|–|mig|300|2" in shown
    assert "tags covered" not in shown
    assert "Vendi|high|effective number" in shown


def test_pairs_churn_and_examples_are_shown():
    matrix = np.array([[1, 0.25, 0.5], [0.25, 1, 0], [0.5, 0, 1]])
    text = page(
        overlap=(["deita", "random", "mig"], matrix),
        pictures=[(b"png", "a picture")],
        churns={"deita": churn(["a", "b", "c", "d"], ["c", "b", "e"]), "new": churn([], ["a"])},
        examples={"deita": pl.DataFrame({"change": ["left", "entered"], "prompt": ["old\nline", "fresh"]})},
        facts={"rows in the pool": 52_002},
        footer="version 1",
    )
    shown = "|".join(Page(text).texts)
    assert "recipe|and|overlap, %|deita|mig|50|deita|random|25|random|mig|0" in shown
    assert "deita|4|3|2|1|2|50|new|0|1|0|1|0|–" in shown
    for expected in ("old\nline", "fresh", "52,002", "a picture", "version 1"):
        assert expected in shown


def test_both_versions_of_a_recipe_stand_below_what_changed():
    sides = pl.DataFrame({"recipe": ["mig"] * 2, "version": ["0a", "1b"], "rows": [4, 3], "coverage": [0.5, None]})
    text = page(churns={"mig": churn(["a", "b", "c", "d"], ["c", "b", "e"])}, versions=sides)
    shown = "|".join(Page(text).texts)
    assert "recipe|version|rows|coverage|mig|0a|4|0.5|mig|1b|3|–" in shown
    assert shown.index("What changed since the last version") < shown.index("0a") < shown.index("What the figures say")
    assert page(versions=sides.clear()) == page()


def test_the_page_needs_nothing_else_and_is_the_same_for_the_same_inputs():
    text = page(pictures=[(b"png", "a picture")], churns={"deita": churn(["a"], ["b"])})
    made = Page(text)
    assert set(made.tags) <= {*ALLOWED, "script"}
    assert made.tags.count("script") == 1
    assert made.open == []
    assert not any(name.startswith("on") or name == "href" for name, _ in made.attributes)
    assert "url(" not in text
    assert "default-src &#x27;none&#x27;" in text
    assert page() == page()


def test_no_script_runs_but_the_one_whose_hash_stands_in_the_policy():
    text = page()
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = html.unescape(re.findall('Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none';")
    assert re.findall("script-src ([^;]*)", policy) == [f"'sha256-{digest}'"]


def test_the_page_opens_with_what_to_use_and_then_says_how_far_from_random_everything_is():
    advice = [Advice("Toward code", "deita", "a model trained on it is -0.5 nats", "gives up Vendi")]
    mean, deviation = {"vendi": 100.0, "self_bleu": 0.2, "cluster_js": 0.1}, {"vendi": 1.0, "self_bleu": 0.02}
    spread = Spread(10, mean, deviation)
    text = page(advice=advice, spread=spread, pictures=[(b"png", "a picture")])
    shown = "|".join(Page(text).texts)
    assert "Which one should I use?|Toward code|deita|a model trained on it is -0.5 nats|gives up Vendi" in shown
    assert "recipe|rows|Vendi|self-BLEU|deita|100|-10|5|random|100|0|0|mig|300|20|0|" in shown, (
        "each in spreads, positive is better"
    )
    for mark in ("number down3", "number up2", "number up3"):
        assert f'<td class="{mark}">' in text
    order = [
        "Which one should I use?",
        "How far from random rows",
        "Pictures",
        "Against random rows",
        "What the figures",
    ]
    assert [shown.index(title) for title in order] == sorted(shown.index(title) for title in order)
    assert "Nothing can be said: there are no random draws" in page()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_any_place_adds_no_tag_and_no_attribute(hostile):
    def made(text: str) -> Page:
        figures = FIGURES.with_columns(recipe=pl.Series([text, "random", f"{text}2"]), note=pl.lit(text))
        return Page(
            page(
                title=text,
                summary=text,
                figures=figures.rename({"note": f"n{text[:9]}"}),
                facts={text: text},
                extra=[Measure("reward", text, "high", text, f"{text}group")],
                overlap=([text, "b"], np.eye(2)),
                pictures=[(b"png", text)],
                churns={text: churn(["a"], ["b"])},
                versions=pl.DataFrame({f"v{text[:9]}": [text]}),
                examples={text: pl.DataFrame({f"p{text[:9]}": [text]})},
                advice=[Advice(text, text, text, text)],
                spread=Spread(10, {"vendi": 90.0}, {"vendi": 1.0}),
                footer=text,
            )
        )

    found, oracle = made(hostile), made("t")
    assert found.tags == oracle.tags
    assert found.open == []
    assert {name for name, _ in found.attributes} <= {name for name, _ in oracle.attributes}


def test_forty_recipes_with_all_pictures_and_long_examples_stay_below_the_limit():
    names = [f"recipe_{i}" for i in range(39)] + ["random"]
    generator = np.random.default_rng(0)
    figures = pl.DataFrame({"recipe": names, **{name: generator.random(40) for name in MEASURES}})
    pictures = [(generator.bytes(plots.MAX_BYTES), f"picture {i}") for i in range(16)]
    long = pl.DataFrame({"change": ["left"] * 90, "prompt": ["<&>" * 4000] * 90, "response": ["&" * 4000] * 90})
    changes = dict.fromkeys(names, Churn(1, np.array(["a"]), np.array(["b"])))
    text = page(
        figures=figures,
        overlap=(names, generator.random((40, 40))),
        pictures=pictures,
        churns=changes,
        examples=dict.fromkeys(names, long),
    )
    assert 1_200_000 < len(text.encode()) <= MAX_BYTES
    with pytest.raises(ValueError, match="give fewer pictures"):
        page(pictures=pictures * 2)
    with pytest.raises(ValueError, match="lack the column 'recipe'"):
        page(figures=FIGURES.drop("recipe"))


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_churn_is_what_sets_say(before, after):
    found = churn(before, after)
    assert found.kept == len({*before} & {*after})
    assert found.entered.tolist() == [row for row in after if row not in before]
    assert found.left.tolist() == [row for row in before if row not in after]
    assert (found.before, found.after) == (len(before), len(after))
    assert found.rate == pytest.approx(len(found.left) / len(before), nan_ok=True) if before else math.isnan(found.rate)
    assert found.overlap == pytest.approx(jaccard(before, after))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_front_holds_what_no_other_point_beats(points):
    front = pareto_front(np.array(points))
    for i, (x, y) in enumerate(points):
        beaten = any(a >= x and b >= y and (a, b) != (x, y) for a, b in points)
        assert front[i] == (not beaten)


def test_a_point_without_a_value_is_on_no_front_and_beats_nobody():
    assert pareto_front(np.array([[np.nan, 9], [1, 1], [0, 2]])).tolist() == [False, True, True]
    assert pareto_front(np.zeros((0, 2))).tolist() == []


@given(st.floats(0.2, 3), st.floats(1e-8, 10))
def test_the_exponent_of_an_exact_power_law_is_found(exponent, constant):
    n = np.array([1e4, 3e4, 1e5, 1e6])
    law = fit_growth(n, constant * n**exponent)
    assert law.exponent == pytest.approx(exponent, rel=1e-6)
    assert law.seconds(2e4) == pytest.approx(constant * 2e4**exponent, rel=1e-5)


def test_one_size_tells_nothing_of_growth():
    assert math.isnan(fit_growth([10, 10], [1, 2]).exponent)
    assert fit_growth([10, 100, 1000], [1, 10, 0]).exponent == pytest.approx(1)
    with pytest.raises(ValueError, match="2 sizes for 1 times"):
        fit_growth([1, 2], [1])


def test_the_pairs_with_most_in_common_come_first():
    matrix = np.array([[1, 0.2, 0.9], [0.2, 1, 0.2], [0.9, 0.2, 1]])
    assert overlap_pairs(["x", "y", "z"], matrix, 2).rows() == [("x", "z", 0.9), ("x", "y", 0.2)]
    assert overlap_pairs(["x"], np.ones((1, 1)), 5).height == 0
