"""The best rows of a score beside others that are as long."""

import numpy as np
import pytest

from datasel_assets.diagnostics.length_matched import agreement, best_rows, length_matched


def test_a_score_that_is_length_alone_is_no_better_than_rows_of_that_length():
    lengths = np.repeat(np.arange(10.0), 10)
    best = np.zeros(100, bool)
    best[90:95] = True
    found = length_matched(lengths, lengths, best)
    assert found.best == found.matched == 9
    assert found.every == 4.5


def test_a_score_that_has_nothing_to_do_with_length_keeps_its_lead_over_rows_of_that_length():
    """Of each length one row has 1 and the others 0."""
    scores, lengths = np.tile([1.0, 0, 0, 0], 25), np.repeat(np.arange(25), 4)
    found = length_matched(scores, lengths, scores > 0)
    assert (found.best, found.matched, found.every) == (1, 0, 0.25)


def test_a_length_that_no_other_row_has_is_met_by_the_nearest_the_shorter_at_a_tie():
    scores, lengths = np.array([9.0, 1, 2, 3]), np.array([5, 3, 7, 20])
    assert length_matched(scores, lengths, np.array([True, False, False, False])).matched == 1
    assert length_matched(scores, np.array([6, 3, 7, 20]), np.array([True, False, False, False])).matched == 2


def test_where_every_row_is_among_the_best_there_is_nothing_to_match():
    assert np.isnan(length_matched(np.ones(3), np.ones(3), np.ones(3, bool)).matched)


def test_the_best_rows_are_a_share_and_at_least_one():
    assert best_rows(np.array([1.0, 3, 2]), 0.1).tolist() == [False, True, False]
    assert best_rows(np.array([1.0, 3, 3, 0]), 0.5).tolist() == [False, True, True, False]


def test_scores_agree_by_rank_and_by_which_rows_are_best():
    scores = np.arange(20.0)
    assert agreement(scores, scores**3, 0.1) == (1, 1)
    assert agreement(scores, -scores, 0.1) == (-1, 0)
    rank, overlap = agreement(np.array([1.0, 2, 3, 4, np.nan]), np.array([1.0, 2, 4, 3, 9]), 0.5)
    assert rank == pytest.approx(0.8)
    assert overlap == 1
