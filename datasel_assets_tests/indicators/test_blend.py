"""Blends against closed forms, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.indicators.blend import BlendError, blend, fit_outcomes, percentile_rank, robust
from datasel_assets.specs.blend import BlendSpec

A = np.array([1.0, 2.0, 3.0, 4.0])
B = np.array([8.0, 6.0, 4.0, 2.0])


def make(how: str, *inputs: dict, **more) -> BlendSpec:
    return BlendSpec.model_validate({"how": how, "inputs": list(inputs), **more})


def run(spec: BlendSpec, keep=None, sources=None, **values) -> np.ndarray:
    return blend(spec, values or {"a": A, "b": B}, keep or {}, sources)


def test_a_sum_weighs_its_inputs_and_turns_those_that_are_better_low():
    spec = make("sum", {"score": "a", "weight": 2}, {"score": "b"})
    np.testing.assert_allclose(run(spec, keep={"b": "low"}), 2 * A - B)


def test_what_the_recipe_says_about_a_score_goes_before_what_the_indicator_declares():
    spec = make("sum", {"score": "a", "keep": "high"})
    np.testing.assert_allclose(run(spec, keep={"a": "low"}), A)


def test_a_product_of_scaled_scores_is_between_zero_and_one():
    spec = make("product", {"score": "a", "scale": "minmax"}, {"score": "b", "scale": "minmax", "keep": "low"})
    np.testing.assert_allclose(run(spec), [0, 1 / 9, 4 / 9, 1])


def test_clipping_to_the_quantiles_keeps_outliers_from_stretching_the_scale():
    values = np.append(np.arange(101.0), 1e6)
    values[-2] = -1e6
    spec = make("sum", {"score": "a", "scale": "clipped"}, quantile_range=(0.05, 0.95))
    low, high = np.quantile(values, [0.05, 0.95])
    np.testing.assert_allclose(run(spec, a=values), np.clip((values - low) / (high - low), 0, 1))
    low_first = make("product", {"score": "a", "scale": "clipped", "keep": "low"}, quantile_range=(0.05, 0.95))
    np.testing.assert_allclose(run(low_first, a=values), 1 - run(spec, a=values), atol=1e-12)
    # An increasing affine change of the score changes nothing, a robust scaling before it included (LAS-2).
    np.testing.assert_allclose(run(spec, a=3 * values - 7), run(spec, a=values))
    assert run(spec, a=np.full(4, 2.0)).tolist() == [0.0] * 4


def test_a_product_refuses_negative_factors():
    with pytest.raises(BlendError, match="a has negative ones"):
        run(make("product", {"score": "a"}), a=np.array([-1.0, 2.0]))


def test_the_mean_rank_ignores_the_units():
    spec = make("rank_mean", {"score": "a"}, {"score": "b", "keep": "low"})
    np.testing.assert_allclose(run(spec), run(spec, a=A**5, b=np.sqrt(B)))
    np.testing.assert_allclose(run(spec), [0.125, 0.375, 0.625, 0.875])


def test_a_vote_counts_the_scores_that_have_the_row_among_their_best():
    spec = make("vote", {"score": "a", "top": 0.5}, {"score": "b", "top": 0.25, "weight": 3})
    np.testing.assert_allclose(run(spec), [0.75, 0, 0.25, 0.25])


def test_scaling_by_source_makes_sources_of_different_level_comparable():
    sources = np.array(["x", "x", "y", "y"])
    spec = make("sum", {"score": "a", "scale": "minmax"}, scope="source")
    np.testing.assert_allclose(run(spec, sources=sources, a=np.array([1.0, 2.0, 100.0, 300.0])), [0, 1, 0, 1])


@pytest.mark.parametrize(("missing", "expected"), [("drop", [1, np.nan, 3]), ("median", [1, 2, 3])])
def test_a_missing_input_follows_the_stated_policy(missing, expected):
    spec = make("sum", {"score": "a"}, missing=missing)
    np.testing.assert_allclose(run(spec, a=np.array([1.0, np.nan, 3.0])), expected)


def test_a_missing_input_can_be_an_error_that_names_it():
    with pytest.raises(BlendError, match="a is missing for 1 rows"):
        run(make("sum", {"score": "a"}, missing="raise"), a=np.array([1.0, np.inf]))


def test_least_squares_recovers_planted_coefficients():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50) * 1e3, rng.normal(size=50) / 1e3
    spec = make("ols", {"score": "x"}, {"score": "y"}, outcomes={"uri": "runs.csv", "column": "loss"})
    fit = fit_outcomes(spec, {"x": x, "y": y, "loss": 0.5 + 0.002 * x - 700 * y})
    np.testing.assert_allclose([fit.intercept, *fit.coefficients], [0.5, 0.002, -700], rtol=1e-8)
    np.testing.assert_allclose(fit.r_squared, 1)
    np.testing.assert_allclose(blend(spec, {"x": x, "y": y}, {}, fit=fit), -(0.5 + 0.002 * x - 700 * y), rtol=1e-6)


@pytest.mark.parametrize(
    ("observed", "complaint"),
    [
        ({"x": [1, 2, 3], "loss": [1, 2, 3]}, "lacks the columns y"),
        ({"x": [1, 2], "y": [2, 1], "loss": [1, 2]}, "2 complete observations for 2 scores"),
        ({"x": [1, 2, 3, 4], "y": [2, 4, 6, 8], "loss": [1, 2, 3, 5]}, "linear combinations"),
        ({"x": [1, 2, 3, 4], "y": [2, 2, 2, 2], "loss": [1, 2, 3, 5]}, "y is the same in every observation"),
    ],
)
def test_outcomes_that_cannot_be_fitted_say_why(observed, complaint):
    spec = make("ols", {"score": "x"}, {"score": "y"}, outcomes={"uri": "runs.csv", "column": "loss"})
    with pytest.raises(BlendError, match=complaint):
        fit_outcomes(spec, {name: np.array(column, float) for name, column in observed.items()})


def test_a_score_that_is_best_in_the_middle_needs_a_direction():
    with pytest.raises(BlendError, match="a is best in the middle"):
        run(make("sum", {"score": "a"}), keep={"a": "mid"})


def test_constant_scores_neither_divide_by_zero_nor_matter():
    spec = make("sum", {"score": "a", "scale": "robust"}, {"score": "b", "scale": "minmax"})
    np.testing.assert_allclose(run(spec, a=np.full(3, 7.0), b=np.full(3, 2.0)), 0)


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ({"how": "sum", "inputs": [{"score": "a"}, {"score": "a"}]}, "named twice"),
        ({"how": "vote", "inputs": [{"score": "a"}]}, "every vote needs it"),
        ({"how": "sum", "inputs": [{"score": "a", "top": 0.5}]}, "goes with 'how: vote'"),
        ({"how": "rank_mean", "inputs": [{"score": "a", "scale": "minmax"}]}, "has no effect"),
        ({"how": "ols", "inputs": [{"score": "a"}]}, "goes with 'how: ols'"),
        ({"how": "product", "inputs": [{"score": "a", "keep": "low"}]}, "needs 'scale: minmax'"),
        ({"how": "sum", "inputs": [{"score": "a"}], "quantile_range": [0.9, 0.1]}, "quantile_range"),
    ],
)
def test_a_blend_that_makes_no_sense_is_refused_when_it_is_read(raw, complaint):
    with pytest.raises(ValueError, match=complaint):
        BlendSpec.model_validate(raw)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_percentile_ranks_follow_the_order_and_average_one_half(values, shuffle):
    column = np.array(values)
    ranks = percentile_rank(column)
    np.testing.assert_allclose(ranks.mean(), 0.5)
    moved = np.array(shuffle.sample(range(len(values)), len(values)))
    np.testing.assert_allclose(percentile_rank(column[moved]), ranks[moved])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40), st.floats(0.1, 10), st.floats(-5, 5))
def test_robust_scaling_forgets_level_and_unit(values, factor, shift):
    column = np.round(np.array(values), 2)
    if np.ptp(np.quantile(column, (0.25, 0.75))) > 0.1:
        np.testing.assert_allclose(robust(factor * column + shift), robust(column), atol=1e-6)
