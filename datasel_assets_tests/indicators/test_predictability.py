"""Out-of-fold accuracy of linear classifiers, against scikit-learn's and plain loops."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators.predictability import RIDGE, adversarial_filter, predictability, removal_score
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


def filtered_by_hand(rows, labels, ids, remove, threshold, leave, splits, train_rows, seed):
    """Algorithm 1 of AFLite row by row: who is left, and in which order the others fell."""
    left, fell, last_p = sorted(range(len(ids)), key=lambda i: ids[i]), [], {}
    while len(left) > leave:
        train_size = min(train_rows, len(left) // 2)
        predictions: dict[int, list[bool]] = {i: [] for i in left}
        for split in range(splits):
            number = (seed << 20) + len(fell) * 1024 + split
            train = [left[i] for i in hash_sample(ids[left], train_size, number)]
            model = RidgeClassifier(alpha=RIDGE * float(((rows[train] - rows[train].mean(axis=0)) ** 2).sum()) / 8)
            model.fit(rows[train].astype(np.float64), labels[train])
            for i in set(left) - set(train):
                predictions[i].append(model.predict(rows[i : i + 1])[0] == labels[i])
        p = {i: sum(found) / len(found) for i, found in predictions.items()}
        last_p |= p
        easy = sorted((i for i in left if p[i] >= threshold), key=lambda i: (-p[i], ids[i]))[:remove]
        easy = easy[: len(left) - leave]
        fell.append(easy)
        left = [i for i in left if i not in easy]
        if len(easy) < remove:
            break
    return left, fell, last_p


@pytest.mark.parametrize(("remove", "threshold", "leave"), [(10, 0.75, 0), (25, 0.9, 0), (20, 0.6, 45)])
def test_rounds_remove_what_the_algorithm_of_the_paper_removes(remove: int, threshold: float, leave: int):
    rows, labels, ids = groups(100, 2, apart=0.6, seed=3)
    ids = np.random.default_rng(0).permutation(ids)
    given = {"splits": 10, "train_rows": 40, "seed": 2}
    left, fell, last_p = filtered_by_hand(rows, labels, ids, remove, threshold, leave, **given)
    p, rounds = adversarial_filter(rows, labels, ids, remove, threshold, leave, **given)
    assert len(fell) > 1
    assert len(left) >= leave
    assert np.flatnonzero(rounds == 0).tolist() == sorted(left)
    for number, easy in enumerate(fell, start=1):
        assert np.flatnonzero(rounds == number).tolist() == sorted(easy)
    np.testing.assert_allclose(p, [last_p[i] for i in range(100)])


def test_what_is_left_tells_its_label_hardly_better_than_guessing():
    rows, labels, ids = groups(600, 2, apart=0.5)
    _, rounds = adversarial_filter(rows, labels, ids, 50, splits=16)
    left = rounds == 0
    assert rounds.max() > 2
    assert left.sum() > 50
    assert predictability(rows, labels, ids, splits=16).mean() > 0.65
    assert predictability(rows[left], labels[left], ids[left], splits=16).mean() == pytest.approx(0.5, abs=0.1)


def test_the_score_orders_rows_as_the_filter_keeps_them():
    p, rounds = np.array([0.3, 0.74, 0.8, 0.9, 0.76, 1.0, np.nan]), np.array([0, 0, 2, 2, 1, 1, 0])
    score = removal_score(p, rounds)
    assert np.argsort(score[:6]).tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(score, [0.3, 0.74, 1.4, 1.45, 1.88, 2.0, np.nan])
    assert np.flatnonzero(score > 1).tolist() == [2, 3, 4, 5]
    np.testing.assert_array_equal(removal_score(p, np.zeros(7, int)), p)


def test_rows_without_vector_or_label_are_neither_scored_nor_removed():
    rows, labels, ids = groups(60, 2, apart=5.0)
    rows[3], labels[5] = 0, -1
    p, rounds = adversarial_filter(rows, labels, ids, 10, leave=20)
    assert set(np.flatnonzero(np.isnan(p)).tolist()) == {3, 5}
    assert rounds[[3, 5]].tolist() == [0, 0]
    assert (rounds == 0).sum() == 22


def test_the_removal_does_not_depend_on_where_a_row_lies():
    rows, labels, ids = groups(200, 3, apart=0.6)
    turned = np.random.default_rng(2).permutation(200)
    here = adversarial_filter(rows, labels, ids, 20, splits=5)
    there = adversarial_filter(rows[turned], labels[turned], ids[turned], 20, splits=5)
    np.testing.assert_array_equal(here[0][turned], there[0])
    np.testing.assert_array_equal(here[1][turned], there[1])
