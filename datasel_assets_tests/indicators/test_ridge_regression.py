"""Ridge regression against scikit-learn and against leaving rows out one by one; what a choice is worth."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from datasel_assets.indicators.ridge_regression import PENALTIES, fit_ridge, out_of_fold, value_of_choice

DRAW = np.random.default_rng(0)
ROWS = DRAW.standard_normal((120, 8)) * np.arange(1, 9)
VALUES = ROWS[:, 2] - 0.5 * ROWS[:, 7] + 2 + DRAW.standard_normal(120)


def scale(rows: np.ndarray) -> float:
    return float((np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2).mean())


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
def test_the_line_is_that_of_scikit_learn(penalty: float):
    found = fit_ridge(ROWS, VALUES, [penalty])
    expected = Reference(alpha=penalty * scale(ROWS)).fit(ROWS, VALUES)
    np.testing.assert_allclose(found.weights, expected.coef_, rtol=1e-8)
    np.testing.assert_allclose(found.estimate(ROWS), expected.predict(ROWS), rtol=1e-8)


def test_the_penalty_is_that_of_the_least_error_of_rows_left_out_one_by_one():
    rows = np.concatenate([ROWS[:40], DRAW.standard_normal((40, 30))], axis=1)
    values = VALUES[:40]
    own = scale(rows)

    def error(penalty: float) -> float:
        errors = []
        for i in range(len(rows)):
            line = Reference(alpha=penalty * own).fit(np.delete(rows, i, 0), np.delete(values, i))
            errors.append(float(line.predict(rows[i : i + 1])[0] - values[i]) ** 2)
        return float(np.mean(errors))

    assert fit_ridge(rows, values).penalty == min(PENALTIES, key=error)


def test_more_columns_than_rows_are_no_trouble():
    rows = DRAW.standard_normal((20, 50))
    assert np.isfinite(fit_ridge(rows, rows[:, 0]).estimate(rows)).all()
    assert fit_ridge(np.zeros((5, 3)), np.arange(5)).estimate(np.zeros((1, 3))) == pytest.approx(2)


def test_a_row_is_estimated_without_having_been_seen():
    noise = DRAW.standard_normal(200)
    rows = DRAW.standard_normal((200, 20))
    assert abs(np.corrcoef(out_of_fold(rows, noise), noise)[0, 1]) < 0.25
    told = rows[:, 0] + 0.1 * noise
    assert np.corrcoef(out_of_fold(rows, told), told)[0, 1] > 0.98
    changed = told.copy()
    changed[3] += 100
    assert out_of_fold(rows, changed)[3] == out_of_fold(rows, told)[3]


def test_one_row_is_no_regression():
    with pytest.raises(ValueError, match="too few"):
        fit_ridge(ROWS[:1], VALUES[:1])


def test_a_choice_is_worth_one_with_the_true_values_and_nothing_at_random():
    values = np.arange(1000.0)
    assert value_of_choice(values, values, 0.1) == 1
    assert value_of_choice(values, -values, 0.1) == -1
    assert abs(value_of_choice(values, DRAW.permutation(1000), 0.1)) < 0.2
    assert np.isnan(value_of_choice(np.ones(5), np.arange(5), 0.2))
    # 2 of the 3 best, and the fourth.
    assert value_of_choice(np.array([0, 1, 2, 3.0]), np.array([3, 0, 1, 2]), 0.5) == pytest.approx((1.5 - 1.5) / 1)
