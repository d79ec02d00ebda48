"""The contract of every kind of score that is written as files, and what each makes of a pool that is plain to see."""

from dataclasses import replace
from typing import get_args

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.base import Keep
from datasel_assets.indicators.blend import BlendError
from datasel_assets.indicators.score_kind import Given, PoolScore, ScoreKind
from datasel_assets.indicators.score_kinds import KINDS, kind_of, score_name, targets_of

EXAMPLES = {
    "blend": {"how": "sum", "inputs": [{"score": "text.words", "weight": 2}, {"score": "n_chars", "keep": "low"}]},
    "clean_probability": {"how": "clean_probability", "events": "text.words"},
    "by_category": {
        "how": "by_category",
        "categories": "kinds",
        "scores": {"east": "text.words", "west": ["proxy_lm.nll", "text.words"]},
    },
    "constraints_kept": {"how": "constraints_kept"},
    "dsir": {"how": "dsir", "target": "sums"},
    "given": {"how": "given", "field": "quality", "keep": "high"},
    "pair_similarity": {"how": "pair_similarity"},
    "gradient_norm": {"how": "gradient_norm", "gradients": "proxy"},
    "influence": {"how": "influence", "gradients": "proxy", "target": "sums"},
    "predictability": {"how": "predictability", "representation": "plain", "splits": 4},
    "run_effect": {"how": "run_effect", "runs": "clusters"},
    "sensitivity": {"how": "sensitivity", "representation": "plain", "loss": "proxy_lm.nll"},
    "similarity": {"how": "similarity", "representation": "plain", "target": "sums"},
    "turns": {"how": "turns", "inputs": ["given.hard", "given.good"]},
}
N = 40


def spec_of(kind: ScoreKind, **more):
    return kind.spec.model_validate({**EXAMPLES[kind.name], **more})


def pool() -> Given:
    """Rows of two sources in two opposite directions; row k has the loss k and is k / 100 from its centre."""
    sides = np.where(np.arange(N) % 2, 1.0, -1.0)
    numbers = np.arange(N, dtype=np.float64)
    return Given(
        row_ids=np.array([f"{k:03d}" for k in range(N)]),
        sources=np.where(sides > 0, "east", "west"),
        scores={"text.words": numbers, "n_chars": numbers**2, "proxy_lm.nll": numbers},
        keep={"text.words": "high"},
        vectors=np.stack([sides, np.zeros(N)], axis=1).astype(np.float32),
        clusters=(sides > 0).astype(np.int64),
        categories=np.where(sides > 0, "east", "west"),
        distance=numbers / 100,
        examples=np.array([[2.0, 0.0], [0.0, 3.0]], np.float32),
        turns={
            "given.hard": pl.Series([[1.0], [2.0, 3.0]] * (N // 2)),
            "given.good": pl.Series([[5.0], [7.0, 11.0]] * (N // 2)),
        },
    )


def made(name: str, given: Given | None = None, **more) -> PoolScore:
    kind = KINDS[name]
    assert kind.compute is not None
    return kind.compute(spec_of(kind, **more), given or pool())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_says_what_its_files_are_and_which_values_are_kept(kind: ScoreKind):
    spec = spec_of(kind)
    assert set(kind.ways) == set(get_args(kind.spec.model_fields["how"].annotation))
    assert kind.keep_of(spec) in get_args(Keep)
    assert kind.indicator is None or kind.indicator.keep == kind.keep_of(spec)
    assert kind_of(spec) is kind
    assert score_name("mine", spec) == f"{kind.name}.mine"
    assert kind.about(spec).endswith(".")
    assert all(need.name or need.what in ("source", "cluster") for need in kind.needs(spec))


def test_no_two_kinds_share_a_name_or_a_way():
    ways = [way for kind in KINDS.values() for way in kind.ways]
    assert len(ways) == len(set(ways))
    assert all(kind.name == name for name, kind in KINDS.items())


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.compute], ids=lambda kind: kind.name)
def test_a_score_over_the_pool_has_a_value_per_row_and_the_columns_that_it_explains(kind: ScoreKind):
    found = made(kind.name)
    assert found.values.shape == (N,)
    assert set(found.columns) == set(kind.columns)
    assert all(len(column) == N for column in (*found.columns.values(), *found.shown.values()))
    assert kind.per == "pool"


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.compute], ids=lambda kind: kind.name)
def test_what_a_file_says_decides_what_it_is_made_from(kind: ScoreKind):
    keep = dict(pool().keep)
    own = kind.identity(spec_of(kind), keep, None)
    assert own == kind.identity(spec_of(kind), keep, None)
    other = {
        "blend": {"missing": "median"},
        "clean_probability": {"iterations": 10},
        "by_category": {"scores": {"east": "text.words"}},
        "predictability": {"seed": 1},
        "sensitivity": {"distance_weight": 2.0},
        "similarity": {"to": "mean"},
        "turns": {"over": "mean"},
    }
    assert own != kind.identity(spec_of(kind, **other[kind.name]), keep, None)


def test_only_scores_toward_a_target_have_targets():
    assert {name: targets_of(spec_of(kind)) for name, kind in KINDS.items() if targets_of(spec_of(kind))} == {
        "dsir": {"sums"},
        "similarity": {"sums"},
        "influence": {"sums"},
    }


def test_a_blend_turns_what_is_kept_low_around_and_says_its_weights():
    found = made("blend")
    np.testing.assert_allclose(found.values, 2 * np.arange(N) - np.arange(N) ** 2.0)
    assert found.facts == {"weight: text.words": 2.0, "weight: n_chars": 1.0}
    assert set(found.shown) >= {"text.words", "n_chars"}


def test_least_squares_on_outcomes_says_what_it_fitted():
    numbers = np.arange(6.0)
    observed = pl.DataFrame({"text.words": numbers, "outcome": 3 - numbers / 2, "note": ["x"] * 6})
    given = Given(pool().row_ids, pool().sources, {"text.words": np.arange(N, dtype=np.float64)}, outcomes=observed)
    spec = {"how": "ols", "inputs": [{"score": "text.words"}], "outcomes": {"uri": "runs.csv"}}
    found = made("blend", given, **spec)
    np.testing.assert_allclose(found.values, np.arange(N) / 2 - 3, atol=1e-9)
    assert found.facts["weight: text.words"] == pytest.approx(-0.5)


def test_outcomes_that_are_no_numbers_name_their_column_and_their_file():
    observed = pl.DataFrame({"text.words": ["a", "b"], "outcome": [1.0, 2.0]})
    given = Given(pool().row_ids, pool().sources, pool().scores, outcomes=observed)
    spec = {"how": "ols", "inputs": [{"score": "text.words"}], "outcomes": {"uri": "runs.csv"}}
    with pytest.raises(BlendError, match=r"runs\.csv: the columns text\.words are not numbers"):
        made("blend", given, **spec)


def test_a_cell_without_an_outcome_is_left_out_of_the_fit():
    observed = pl.DataFrame({"text.words": [0.0, 1.0, 2.0, 3.0], "outcome": [0.0, 2.0, 4.0, None]})
    given = Given(pool().row_ids, pool().sources, pool().scores, outcomes=observed)
    spec = {"how": "ols", "inputs": [{"score": "text.words"}], "outcomes": {"uri": "runs.csv", "keep": "high"}}
    found = made("blend", given, **spec)
    assert found.facts["weight: observations"] == 3
    np.testing.assert_allclose(found.values, 2.0 * np.arange(N), atol=1e-9)


@pytest.mark.parametrize("label", ["source", "cluster"])
def test_a_label_that_the_vector_shows_is_always_found(label: str):
    found = made("predictability", label=label, splits=16)
    np.testing.assert_array_equal(found.values, np.ones(N))
    np.testing.assert_array_equal(found.columns["accuracy"], found.values)
    assert not found.columns["round"].any()
    assert found.facts == {
        "mean_accuracy": 1.0,
        "rounds_of_removal": 0,
        "rows_removed": 0,
        "share_of_the_commonest_label": 0.5,
        "labels": 2,
    }


def test_rows_that_are_always_found_are_removed_round_by_round():
    found = made("predictability", remove=10, leave=20)
    assert found.facts["rows_removed"] == 20
    assert found.facts["rounds_of_removal"] == 2
    assert np.bincount(found.columns["round"]).tolist() == [20, 10, 10]
    assert (found.values[found.columns["round"] > 0] > 1).all()


def test_a_pool_without_labels_has_no_predictability_and_no_mean():
    given = pool()
    nobody = Given(given.row_ids, given.sources, vectors=given.vectors, clusters=np.full(N, -1))
    found = made("predictability", nobody, label="cluster")
    assert np.isnan(found.values).all()
    assert np.isnan(found.facts["mean_accuracy"])
    assert found.facts["labels"] == 0


def test_sensitivity_is_the_loss_at_the_centre_and_the_distance_and_says_how_much_the_latter_is():
    found = made("sensitivity", distance_weight=3.0)
    # The rows nearest to the two centres are 0 and 1, with the losses 0 and 1; row 0 itself has no sensitivity.
    spread = 3.0 * 2.0 * np.arange(N) / 100
    total = np.arange(N) % 2 + spread
    assert np.isnan(found.values[0])
    np.testing.assert_allclose(found.values[1:], np.log(total[1:]))
    assert found.facts["mean_share_of_distance"] == pytest.approx(np.mean(spread[1:] / total[1:]))
    assert set(found.shown) == {"proxy_lm.nll", "distance"}


def test_likeness_to_a_target_is_the_cosine_of_the_nearest_example_or_their_mean():
    sides = np.where(np.arange(N) % 2, 1.0, -1.0)
    np.testing.assert_allclose(made("similarity").values, np.maximum(sides, 0.0), atol=1e-12)
    np.testing.assert_allclose(made("similarity", to="mean").values, sides / 2, atol=1e-12)


def test_a_row_or_an_example_without_a_direction_is_like_nothing():
    given = pool()
    vectors = given.vectors.copy()
    vectors[3] = 0
    found = made("similarity", replace(given, vectors=vectors, examples=np.array([[0.0, 0.0], [-1.0, 0.0]])))
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [3]
    np.testing.assert_allclose(found.values[:3], [1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match="no direction"):
        made("similarity", replace(given, examples=np.zeros((2, 2))))


def test_products_of_turns_are_added_up_or_averaged():
    np.testing.assert_allclose(made("turns").values, [5.0, 2 * 7.0 + 3 * 11.0] * (N // 2))
    np.testing.assert_allclose(made("turns", over="mean").values, [5.0, (2 * 7.0 + 3 * 11.0) / 2] * (N // 2))


def test_turns_that_do_not_match_or_lack_a_value_make_no_score_and_are_counted():
    hard = pl.Series([[1.0, 2.0], [1.0], None, [3.0, None], []], dtype=pl.List(pl.Float64))
    good = pl.Series([[1.0], [4.0], [1.0], [1.0, 1.0], []], dtype=pl.List(pl.Float64))
    given = Given(np.arange(5).astype(str), np.array(["a"] * 5), turns={"given.hard": hard, "given.good": good})
    found = made("turns", given)
    np.testing.assert_array_equal(found.values, [np.nan, 4.0, np.nan, np.nan, np.nan])
    assert found.facts == {"rows_whose_inputs_have_different_numbers_of_turns": 1}


def test_a_logarithm_in_a_blend_leaves_out_what_has_none_and_says_how_many():
    given = replace(pool(), scores={"text.words": np.array([0.0, 1.0, np.e, -1.0] * (N // 4))})
    inputs = [{"score": "text.words", "scale": "log", "weight": 3.0}]
    found = made("blend", given, inputs=inputs)
    np.testing.assert_allclose(found.values, [np.nan, 0.0, 3.0, np.nan] * (N // 4))
    assert found.facts["without a logarithm: text.words"] == N // 2


def test_rows_with_fewer_wrong_predictions_are_more_likely_clean_and_groups_are_judged_apart():
    counts = np.repeat([0.0, 1, 8, 9, np.nan], 40)
    n = len(counts)
    sources = np.where(np.arange(n) % 2, "a", "b")
    given = Given(np.array([f"{k:03d}" for k in range(n)]), sources, {"text.words": counts})
    whole = made("clean_probability", given)
    assert np.isnan(whole.values[counts != counts]).all()
    assert whole.values[0] > 0.9 > 0.1 > whole.values[159]
    assert whole.facts["share_of_wrong_rows"] == pytest.approx(0.5, abs=0.1)
    assert (np.diff(whole.columns["difficulty"][:160]) >= 0).all()
    shifted = replace(given, scores={"text.words": counts + 5 * (sources == "a")})
    apart = made("clean_probability", shifted, by="source").values
    np.testing.assert_allclose(apart, made("clean_probability", given, by="source").values)
    assert not np.allclose(made("clean_probability", shifted).values[:160], apart[:160], atol=0.05)
