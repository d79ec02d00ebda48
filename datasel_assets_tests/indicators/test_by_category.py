"""A scorer for each category, and LASER's count of demands kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.indicators.by_category import by_category
from datasel_assets.indicators.constraints_kept import constraints_kept, score_of_kept
from datasel_assets.indicators.verify.exchange import Exchange
from datasel_assets.specs.score import ByCategorySpec

WHOLE = (0.0, 1.0)


def spec(scores: dict, **more) -> ByCategorySpec:
    made = {"how": "by_category", "categories": "kinds", "scores": scores, "quantile_range": WHOLE, **more}
    return ByCategorySpec.model_validate(made)


def test_each_category_is_scored_by_its_own_scorer_on_one_scale():
    scores = {"m.a": np.array([0.0, 1.0, 2.0, 9.0, 9.0, 9.0]), "m.b": np.array([9.0, 9.0, 9.0, 100.0, 200.0, 300.0])}
    found = by_category(spec({"x": "m.a", "y": "m.b"}), scores, np.array(list("xxxyyy")))
    np.testing.assert_allclose(found, [0, 0.5, 1, 0, 0.5, 1])


def test_the_first_scorer_that_a_row_has_counts_and_none_gives_none():
    scores = {"m.a": np.array([1.0, np.nan, np.nan, 3.0]), "m.b": np.array([5.0, 6.0, np.nan, 7.0])}
    found = by_category(spec({"x": ["m.a", "m.b"]}), scores, np.array(["x", "x", "x", "z"]))
    np.testing.assert_array_equal(np.isnan(found), [False, False, True, True])


def test_a_scorer_with_one_value_is_in_the_middle_and_no_row_at_all_is_no_error():
    scores = {"m.a": np.array([4.0, 4.0]), "m.b": np.array([0.0, 2.0])}
    both = np.array(["x", "x", "y", "y"])
    wide = {name: np.concatenate([values, values]) for name, values in scores.items()}
    np.testing.assert_allclose(by_category(spec({"x": "m.a", "y": "m.b"}), wide, both), [0.5, 0.5, 0, 1])
    assert np.isnan(by_category(spec({"x": "m.a"}), scores, np.array(["y", "y"]))).all()


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_another_unit_of_one_scorer_changes_nothing(scale: float, shift: float):
    generator = np.random.default_rng(0)
    scores = {"m.a": generator.normal(size=40), "m.b": generator.normal(size=40)}
    kinds = np.array(["x", "y"] * 20)
    own = spec({"x": "m.a", "y": "m.b"}, quantile_range=(0.05, 0.95))
    other = {**scores, "m.b": scale * scores["m.b"] + shift}
    np.testing.assert_allclose(by_category(own, other, kinds), by_category(own, scores, kinds), atol=1e-9)


@pytest.mark.parametrize(
    ("kept", "demanded", "score"), [(3, 4, 2.25), (1, 1, 1), (0, 2, 0), (10, 10, 1), (12, 20, 0.6)]
)
def test_demands_kept_are_counted_as_by_laser(kept: int, demanded: int, score: float):
    assert score_of_kept(kept, demanded) == score


def test_demands_are_found_in_the_question_and_a_question_without_any_has_no_score():
    asked = "Describe the sea in at least 3 sentences. Do not use any commas."
    keeps = Exchange(asked, "It is wide. It is deep. It is blue.")
    breaks = Exchange(asked, "It is wide, deep.")
    none = Exchange("What is the sea?", "Water.")
    np.testing.assert_equal(
        constraints_kept([[keeps], [breaks], [none], [keeps, breaks], []]), [2, 0, np.nan, 1, np.nan]
    )
