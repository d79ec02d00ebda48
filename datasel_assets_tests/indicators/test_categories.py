"""The classifier of named categories: its fit, its confusion of the examples, the margins of rows."""

import numpy as np
import pytest

from datasel_assets.indicators.categories import CategoryFit, categorise, fit_categories
from datasel_assets.indicators.ridge import leave_one_out, ridge_classifier

NAMES = ["code", "fruit", "sums"]


def examples(n: int = 30, d: int = 8) -> tuple[np.ndarray, list[str]]:
    own = np.arange(n) % 3
    vectors = np.random.default_rng(5).standard_normal((n, d)) + 1.5 * np.eye(3, d)[own]
    return vectors.astype(np.float32), [NAMES[i] for i in own]


def test_the_fit_is_that_of_the_ridge_classifier_with_categories_numbered_by_name():
    vectors, categories = examples()
    fit = fit_categories(vectors, categories, 0.5)
    own = np.array([NAMES.index(category) for category in categories])
    weights, constants = ridge_classifier(vectors.astype(np.float64), own, 3, 0.5)
    assert fit.names == NAMES
    assert fit.own.tolist() == own.tolist()
    np.testing.assert_array_equal(fit.weights, weights)
    np.testing.assert_array_equal(fit.constants, constants)
    assert fit.told.tolist() == leave_one_out(vectors.astype(np.float64), own, 3, 0.5).tolist()


def test_accuracy_confusion_and_guessing_are_those_counted_by_hand():
    own, told = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])
    fit = CategoryFit(NAMES, np.empty((1, 3)), np.empty(3), own, told)
    assert fit.right.tolist() == [True, True, False, True, False, True]
    assert fit.accuracy == pytest.approx(4 / 6)
    assert fit.guessing == pytest.approx(3 / 6)
    assert fit.commonest == "code"
    assert fit.confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_the_largest_output_names_the_category_and_the_next_one_the_margin():
    weights, constants = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), np.array([0.0, 0.5, 1.0])
    told, margin = categorise(np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), weights, constants)
    assert told.tolist() == [0, 1, 2]
    # Outputs: (3, 0.5, -2), (0, 2.5, 1), (-1, 0.5, 2).
    assert margin.tolist() == [2.5, 1.5, 1.5]


def test_equal_outputs_are_a_toss_up_that_the_first_category_wins():
    told, margin = categorise(np.zeros((2, 4)), np.zeros((4, 3)), np.zeros(3))
    assert told.tolist() == [0, 0]
    assert margin.tolist() == [0, 0]


def test_rows_near_the_examples_of_a_category_are_told_to_be_of_it():
    vectors, categories = examples(n=300)
    fit = fit_categories(vectors, categories, 0.5)
    told, margin = categorise(10 * np.eye(3, 8, dtype=np.float32), fit.weights, fit.constants)
    assert [fit.names[i] for i in told] == NAMES
    assert (margin > 0).all()
