"""Out-of-fold accuracy of linear classifiers, against scikit-learn's and plain loops."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from datasel_assets.clusters.hash_sample import hash_sample
from datasel_assets.indicators.predictability import RIDGE, predictability
from datasel_assets.indicators.ridge import ridge_classifier


def groups(n: int, k: int, d: int = 8, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    rows = apart * generator.normal(size=(k, d))[labels] + generator.normal(size=(n, d))
    return rows.astype(np.float32), labels, np.array([f"row{i:05}" for i in range(n)])


@pytest.mark.parametrize("k", [2, 5])
def test_the_classifier_is_ridge_regression_on_plus_and_minus_one(k: int):
    rows, labels, _ = groups(300, k)
    weights, constant = ridge_classifier(rows.astype(np.float64), labels, k, RIDGE)
    centred = rows - rows.mean(axis=0)
    oracle = RidgeClassifier(alpha=RIDGE * float((centred**2).sum()) / rows.shape[1]).fit(rows, labels)
    outputs = rows @ weights + constant
    np.testing.assert_array_equal(outputs.argmax(axis=1), oracle.predict(rows))
    theirs = oracle.decision_function(rows)
    np.testing.assert_allclose(outputs[:, 1] if k == 2 else outputs, theirs, atol=1e-4)


def test_the_score_counts_the_splits_that_held_the_row_out():
    rows, labels, ids = groups(90, 3, apart=0.5)
    found = predictability(rows, labels, ids, splits=7, train_rows=30, seed=4)
    right, asked = np.zeros(90), np.zeros(90)
    for split in range(7):
        train = hash_sample(ids, 30, (4 << 20) + split)
        weights, constant = ridge_classifier(rows[train].astype(np.float64), labels[train], 3, RIDGE)
        for i in set(range(90)) - set(train.tolist()):
            asked[i] += 1
            right[i] += np.argmax(rows[i] @ weights + constant) == labels[i]
    np.testing.assert_allclose(found, right / asked)


def test_a_row_with_the_label_of_another_group_is_not_predictable():
    rows, labels, ids = groups(400, 2, apart=5.0)
    planted = labels.copy()
    planted[:8] = 1 - planted[:8]
    found = predictability(rows, planted, ids, splits=16)
    assert found[:8].max() == 0
    assert found[8:].min() == 1


def test_labels_that_vectors_say_nothing_about_are_found_as_often_as_by_guessing():
    rows, _, ids = groups(4000, 2)
    labels = np.random.default_rng(1).integers(0, 2, 4000)
    assert np.nanmean(predictability(rows, labels, ids, splits=8)) == pytest.approx(0.5, abs=0.03)


def test_the_score_of_a_row_does_not_depend_on_where_it_lies():
    rows, labels, ids = groups(200, 3, apart=0.3)
    turned = np.random.default_rng(2).permutation(200)
    np.testing.assert_array_equal(
        predictability(rows, labels, ids, splits=5)[turned],
        predictability(rows[turned], labels[turned], ids[turned], splits=5),
    )


def test_rows_without_vector_or_label_and_rows_never_held_out_have_no_score():
    rows, labels, ids = groups(20, 2)
    rows[3], labels[5] = 0, -1
    found = predictability(rows, labels, ids, splits=1, train_rows=9)
    train = hash_sample(np.delete(ids, [3, 5]), 9, 0)
    missing = {3, 5, *np.delete(np.arange(20), [3, 5])[train].tolist()}
    assert set(np.flatnonzero(np.isnan(found)).tolist()) == missing
    assert np.isnan(predictability(rows[:3], labels[:3], ids[:3])).all(), "too few rows to hold any out"


def test_constant_vectors_predict_the_commonest_label():
    rows, labels = np.ones((60, 4), np.float32), np.repeat([0, 1], [40, 20])
    found = predictability(rows, labels, np.array([f"{i:03}" for i in range(60)]), splits=24)
    np.testing.assert_array_equal(found, 1 - labels)
