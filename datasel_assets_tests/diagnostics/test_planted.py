import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from datasel_assets.diagnostics.auc import auc, best_cut
from datasel_assets.diagnostics.planted import WRONG_IF_HIGH, advice, planted_figures
from datasel_assets.indicators.dynamics import DYNAMICS


def test_the_area_is_that_of_scikit_learn_with_ties():
    random = np.random.default_rng(0)
    values, marked = random.integers(0, 8, 300).astype(float), random.random(300) < 0.3
    found, error = auc(values, marked)
    assert found == pytest.approx(roc_auc_score(marked, values))
    drawn = [roc_auc_score(marked[some], values[some]) for some in (random.integers(0, 300, 300) for _ in range(300))]
    assert error == pytest.approx(np.std(drawn), rel=0.15)


def test_rows_without_a_number_have_no_part_in_the_area():
    values = np.array([3.0, 4, 1, 2, np.nan])
    assert auc(values, np.array([True, True, False, False, False]))[0] == 1


def test_without_one_kind_of_rows_there_is_no_area():
    assert np.isnan(auc(np.ones(3), np.zeros(3, bool))).all()
    assert np.isnan(best_cut(np.ones(3), np.zeros(3, bool))).all()


def test_the_best_cut_takes_most_marked_rows_and_fewest_others():
    values = np.array([9.0, 8, 7, 3, 7, 2, 1, 0])
    marked = np.array([True, True, True, True, False, False, False, False])
    assert best_cut(values, marked) == (3.0, 1.0, 0.25)


def test_every_column_says_which_side_is_wrong_but_that_whose_sign_is_a_choice():
    assert set(DYNAMICS) - set(WRONG_IF_HIGH) == {"worth_by_size"}


def figures(values: np.ndarray) -> pl.DataFrame:
    return planted_figures({"p_clean": values, "worth_by_size": values}, np.arange(40) < 10)


def test_a_column_that_finds_planted_rows_gives_a_rule_that_drops_them():
    values = np.where(np.arange(40) < 10, 0.1, 0.9)
    found = figures(values)
    line = found.row(0, named=True)
    assert (line["column"], line["auc"], line["cut"], line["found"], line["others"]) == ("p_clean", 1, "below", 1, 0)
    assert ((values < line["bound"]) == (np.arange(40) < 10)).all()
    assert "{score: noise.p_clean, below: 0.5}" in advice(found, "noise", 0.6)


def test_no_cut_is_suggested_where_planted_rows_are_not_found():
    values = np.tile([0.1, 0.9], 20)
    said = advice(figures(values), "noise", 0.6)
    assert said.startswith("No cut is suggested")
    assert "below:" not in said


def test_no_cut_is_suggested_where_nothing_is_known():
    assert advice(figures(np.full(40, np.nan)), "noise", 0.6).startswith("No cut")
