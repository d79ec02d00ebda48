"""Influence as numbers: directions of a target, and what rows score by their inner products with them."""

import numpy as np
import pytest

from datasel_assets.indicators.gradient_norm import gradient_norm
from datasel_assets.indicators.influence import MOST_DIRECTIONS, Directions, influence, over_checkpoints, turn_taken


def directions(gradients, tasks, **options) -> np.ndarray:
    found = Directions(tasks, np.shape(gradients)[1], **{"cosine": False, "by_task": False, **options})
    for gradient in gradients:
        found.add(np.array([gradient]))
    return found.done()


def test_cosines_divide_by_the_length_of_the_row_and_a_row_without_gradient_has_no_value():
    products = np.array([[4.0, -1.0], [0.0, 0.0], [-6.0, -9.0]])
    norm = np.array([2.0, 0.0, 3.0])
    np.testing.assert_allclose(influence(products, norm, True), [2, np.nan, -2])
    np.testing.assert_allclose(influence(products, norm, False), [4, np.nan, -6])


def test_one_direction_is_the_mean_and_of_cosines_that_of_unit_vectors():
    gradients = [[3.0, 0.0], [0.0, 1.0]]
    np.testing.assert_allclose(directions(gradients, ["a", "b"]), [[1.5, 0.5]])
    np.testing.assert_allclose(directions(gradients, ["a", "b"], cosine=True), [[0.5, 0.5]])


def test_a_mean_cosine_is_an_inner_product_with_the_mean_of_unit_vectors():
    draw = np.random.default_rng(0)
    rows, target = draw.standard_normal((5, 7)), draw.standard_normal((4, 7))
    found = influence(rows @ directions(target, list("abcd"), cosine=True).T, np.linalg.norm(rows, axis=1), True)
    cosines = (rows @ target.T) / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(target, axis=1))
    np.testing.assert_allclose(found, cosines.mean(axis=1), rtol=1e-5)


def test_every_task_has_the_mean_of_its_examples():
    gradients = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]
    np.testing.assert_allclose(directions(gradients, ["b", "a", "b"], by_task=True), [[0, 2], [2, 0]])


def test_examples_without_a_gradient_do_not_count():
    np.testing.assert_allclose(directions([[0.0, 0.0], [2.0, 4.0]], ["a", "b"]), [[2, 4]])
    with pytest.raises(ValueError, match="no example of the target has a response token"):
        directions([[0.0, 0.0]], ["a"])
    with pytest.raises(ValueError, match="no examples"):
        Directions([], 2, cosine=True, by_task=False)


def test_more_tasks_than_one_pass_takes_are_refused_with_the_way_out():
    many = [str(k) for k in range(MOST_DIRECTIONS + 1)]
    with pytest.raises(ValueError, match="say 'reduce: mean'"):
        Directions(many, 2, cosine=True, by_task=True)
    assert Directions(many, 2, cosine=True, by_task=False).names == ["all"]


def test_a_length_of_zero_is_no_length():
    np.testing.assert_allclose(gradient_norm(np.array([0.0, 2.0])), [np.nan, 2])


def test_products_are_summed_over_checkpoints_and_a_row_without_gradient_stays_without():
    early = (np.array([[4.0, 2.0], [0, 0]]), np.array([2.0, 0]))
    late = (np.array([[1.0, 9.0], [0, 0]]), np.array([1.0, 0]))
    total, known = over_checkpoints([early, late], [0.75, 0.25], True)
    np.testing.assert_allclose(total, [[0.75 * 2 + 0.25, 0.75 + 0.25 * 9], [0, 0]])
    np.testing.assert_allclose(influence(total, known, False), [3, np.nan])


def test_the_turn_of_a_row_is_that_of_the_example_that_takes_it_first():
    """The golden example of round-robin: three queries, six rows, rows 0, 1, 3, 2 and 5 are taken in this order."""
    queries = np.array([[0.9, 0.8, 0.7, 0.1, 0, 0.2], [0.95, 0.6, 0.1, 0.5, 0.4, 0], [0.2, 0.9, 0.3, 0.85, 0.1, 0]])
    found = turn_taken(queries.T, np.sort(queries.T, axis=0))
    assert np.argsort(-found, kind="stable").tolist() == [0, 1, 3, 2, 5, 4]
    assert found.max() == 0
