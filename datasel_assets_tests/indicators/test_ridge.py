"""The linear classifier in closed form, and what it says of rows that it has not seen."""

import numpy as np

from datasel_assets.indicators.ridge import leave_one_out, ridge_classifier


def blobs(n: int = 45, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = np.arange(n) % 3
    return rng.standard_normal((n, d)) + 1.2 * np.eye(3, d)[labels], labels


def test_leave_one_out_is_what_refitting_without_each_row_says():
    rows, labels = blobs()
    penalty = 0.7 * np.trace(np.cov(rows.T) * (len(rows) - 1)) / rows.shape[1]
    told = []
    for i in range(len(rows)):
        rest, own = np.delete(rows, i, axis=0), np.delete(labels, i)
        scatter = np.trace(np.cov(rest.T) * (len(rest) - 1)) / rows.shape[1]
        weights, constants = ridge_classifier(rest, own, 3, penalty / scatter)
        told.append(int((rows[i] @ weights + constants).argmax()))
    assert leave_one_out(rows, labels, 3, 0.7).tolist() == told
    assert 0.5 < np.mean(np.array(told) == labels) < 1


def test_more_dimensions_than_rows_are_no_problem():
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((12, 50)), np.arange(12) % 2
    weights, constants = ridge_classifier(rows, labels, 2, 1e-3)
    assert ((rows @ weights + constants).argmax(axis=1) == labels).all()
    assert leave_one_out(rows, labels, 2, 1e-3).shape == (12,)


def test_equal_rows_are_told_by_the_commonest_label():
    labels = np.array([0, 1, 1, 1, 0, 1])
    assert leave_one_out(np.ones((6, 4)), labels, 2, 1.0).tolist() == [1] * 6
