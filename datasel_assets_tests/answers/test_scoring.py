"""Scores of answers against closed forms."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.answers.asks import ask_of
from datasel_assets.answers.distil import distil
from datasel_assets.answers.pairs import elo, ring_pairs, strengths
from datasel_assets.answers.scoring import outcomes, row_scores
from datasel_assets.diagnostics.judges import correlation
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec

SCHEMA = {
    "row_id": pl.String,
    "turn": pl.Int32,
    "step": pl.Int32,
    "question": pl.String,
    "other": pl.String,
    "swapped": pl.Boolean,
    "sample": pl.Int32,
    "score": pl.Float64,
}
PROVIDER = {"endpoint": "http://127.0.0.1:1/v1", "model": "m"}


def answers(*lines: dict) -> pl.DataFrame:
    blank = {"turn": None, "step": None, "question": None, "other": None, "swapped": False, "sample": 0}
    return pl.DataFrame([{**blank, **line} for line in lines], schema=SCHEMA)


def spec(ask: str | AskSpec, **more) -> AnswersSpec:
    return AnswersSpec(ask=ask, provider=PROVIDER, **more)  # type: ignore[arg-type]


def turn(row: str, number: int, complexity: float | None, quality: float | None) -> list[dict]:
    of = {"row_id": row, "turn": number}
    return [{**of, "question": "complexity", "score": complexity}, {**of, "question": "quality", "score": quality}]


def test_deita_is_the_sum_over_turns_of_complexity_times_quality():
    found = row_scores(
        spec("deita"), ask_of("deita"), answers(*turn("a", 0, 2, 3), *turn("a", 1, 4, 5), *turn("b", 0, 6, 1))
    )
    assert found.rows() == [("a", 26, 3, 4), ("b", 6, 6, 1)]


def test_a_row_of_which_one_turn_could_not_be_read_has_no_sum():
    found = row_scores(spec("deita"), ask_of("deita"), answers(*turn("a", 0, 2, 3), *turn("a", 1, None, 5)))
    assert found.rows() == [("a", None, None, 4)]


def test_autods_is_the_product_of_the_probabilities_of_both_questions():
    lines = answers(
        {"row_id": "a", "question": "intelligent", "score": 0.5}, {"row_id": "a", "question": "useful", "score": 0.4}
    )
    assert row_scores(spec("autods"), ask_of("autods"), lines)["score"].to_list() == pytest.approx([0.2])


def test_samples_are_averaged_over_those_that_could_be_read():
    lines = answers(
        {"row_id": "a", "sample": 0, "score": 4.0},
        {"row_id": "a", "sample": 1, "score": None},
        {"row_id": "a", "sample": 2, "score": 5.0},
        {"row_id": "b", "sample": 0, "score": None},
    )
    found = row_scores(spec("alpagasus", samples=3, temperature=1.0), ask_of("alpagasus"), lines)
    assert found.rows() == [("a", 4.5), ("b", None)]


@settings(max_examples=20)
@given(st.integers(1, 20), st.integers(1, 20))
def test_of_two_rows_the_strength_is_the_logarithm_of_the_odds(wins: int, losses: int):
    n = wins + losses
    won = np.array([1.0] * wins + [0.0] * losses)
    found = strengths(np.zeros(n, np.int64), np.ones(n, np.int64), won, 2, 1e-9)
    assert found[0] - found[1] == pytest.approx(math.log(wins / losses), abs=1e-4)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_a_row_that_always_wins_has_a_finite_strength_and_one_that_never_met_has_none():
    found = strengths(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 1.0]), 3, 0.01)
    assert np.isfinite(found[:2]).all()
    assert found[0] > found[1]
    assert np.isnan(found[2])


def test_strengths_do_not_depend_on_the_order_of_rows_or_pairs():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 30, 300), generator.integers(0, 30, 300)
    won = (generator.random(300) < 0.5).astype(float)
    keep = first != second
    first, second, won = first[keep], second[keep], won[keep]
    order, names = generator.permutation(len(won)), generator.permutation(30)
    one = strengths(first, second, won, 30, 0.01)
    other = strengths(names[first][order], names[second][order], won[order], 30, 0.01)
    np.testing.assert_allclose(other[names], one, atol=1e-5)


def test_strengths_find_planted_ones_and_elo_agrees():
    generator = np.random.default_rng(1)
    true = generator.normal(size=60)
    pairs = ring_pairs(np.array([f"r{i:03}" for i in range(60)]), 20, 0)
    won = (generator.random(len(pairs)) < 1 / (1 + np.exp(true[pairs[:, 1]] - true[pairs[:, 0]]))).astype(float)
    found = strengths(pairs[:, 0], pairs[:, 1], won, 60, 0.01)
    assert correlation(found, true) > 0.85
    assert correlation(elo(pairs[:, 0], pairs[:, 1], won, 60), found) > 0.8


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 5))
def test_rings_connect_all_rows_and_repeat_no_pair(n: int, rings: int, seed: int):
    ids = np.array([f"row{i}" for i in range(n)])
    pairs = ring_pairs(ids, rings, seed)
    group = np.arange(n)
    for a, b in pairs.tolist():
        group[group == group[a]] = group[b]
    assert len(set(group.tolist())) == 1
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(pairs) <= rings * n


def test_a_row_that_comes_later_changes_few_pairs():
    ids = np.array([f"row{i}" for i in range(200)])
    before = {frozenset(ids[pair]) for pair in ring_pairs(ids, 2, 0).tolist()}
    more = np.append(ids, "late")
    after = {frozenset(more[pair]) for pair in ring_pairs(more, 2, 0).tolist()}
    assert len(after - before) == 4
    assert len(before - after) == 2


def test_a_judge_that_always_prefers_the_first_place_is_even_after_swapping():
    lines = [
        {"row_id": "a", "other": "b", "swapped": swapped, "question": "writing_style", "score": 1.0}
        for swapped in (False, True)
    ]
    column = ask_of("qurating").scores["writing_style"]
    assert outcomes(column, answers(*lines)).rows() == [("a", "b", 0.5, False)]


def test_strengths_of_each_question_are_columns_of_both_rows():
    lines = [
        {"row_id": "a", "other": "b", "swapped": swapped, "question": question, "score": score}
        for question, a_wins in (("writing_style", 1.0), ("facts_and_trivia", 0.0))
        for swapped, score in ((False, a_wins), (True, 1 - a_wins))
    ]
    found = row_scores(spec("qurating"), ask_of("qurating"), answers(*lines))
    assert found["row_id"].to_list() == ["a", "b"]
    assert found["writing_style"][0] > 0 > found["writing_style"][1]
    assert found["facts_and_trivia"][0] < 0 < found["facts_and_trivia"][1]
    assert found["educational_value"].null_count() == 2


def test_a_linear_model_finds_planted_weights_and_its_error_is_that_of_rows_left_out():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(400, 8))
    values = vectors @ np.arange(8.0) + 3 + generator.normal(size=400)
    ids = np.array([f"r{i}" for i in range(400)])
    line, r2 = distil(vectors, values, ids, 5)
    np.testing.assert_allclose(line.weights, np.arange(8.0), atol=0.2)
    assert line.constant == pytest.approx(3, abs=0.2)
    assert r2 == pytest.approx(1 - 1 / values.var(), abs=0.01)


def test_a_linear_model_of_noise_tells_nothing_of_rows_left_out():
    generator = np.random.default_rng(0)
    ids = np.array([f"r{i}" for i in range(100)])
    assert distil(generator.normal(size=(100, 50)), generator.normal(size=100), ids, 5)[1] < 0


@pytest.mark.parametrize(("n", "value"), [(19, None), (100, 1.0)])
def test_too_few_answers_or_equal_ones_teach_nothing(n: int, value: float | None):
    values = np.arange(n, dtype=float) if value is None else np.full(n, value)
    with pytest.raises(ValueError, match=r"are needed|are the same"):
        distil(np.ones((n, 2)), values, np.array([f"r{i}" for i in range(n)]), 5)


def test_a_worked_answer_is_as_good_as_its_weakest_step_and_turns_are_averaged():
    lines = [
        {"row_id": "a", "turn": turn, "step": step, "score": score}
        for turn, step, score in ((0, 0, 0.9), (0, 1, 0.2), (1, 0, 0.8))
    ]
    found = row_scores(spec("math_steps"), ask_of("math_steps"), answers(*lines))
    assert found["score"].to_list() == pytest.approx([0.5])
