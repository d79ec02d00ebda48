import numpy as np

from datasel_assets.models.train.layout import lay_out
from datasel_assets.models.train.training import split_evenly


def test_lines_are_filled_with_the_longest_texts_first():
    layout = lay_out([2, 5, 3, 4], shared=True, line=7)
    assert layout.shape == (2, 7)
    assert layout.line.tolist() == [0, 0, 1, 1]
    assert layout.start.tolist() == [5, 0, 4, 0]


def test_no_two_texts_share_a_place_and_little_is_padding():
    lengths = np.random.default_rng(0).integers(1, 120, 200)
    layout = lay_out(lengths, shared=True)
    taken = np.zeros(layout.shape, int)
    for line, start, length in zip(layout.line, layout.start, lengths, strict=True):
        taken[line, start : start + length] += 1
    assert taken.max() == 1
    assert taken.sum() == lengths.sum()
    assert taken.mean() > 0.95


def test_a_text_that_shares_no_line_has_one_of_its_own_the_longest_first():
    layout = lay_out([2, 5, 3], shared=False)
    assert layout.shape == (3, 5)
    assert layout.line.tolist() == [2, 0, 1]
    assert layout.start.tolist() == [0, 0, 0]


def test_a_text_longer_than_a_line_makes_lines_as_long_as_itself():
    assert lay_out([300], shared=True, line=8).shape == (1, 300)


def test_steps_hold_every_row_once_and_about_as_many_tokens():
    lengths = np.array([5, 1, 1, 1, 1, 1, 5, 5])
    rows = np.array([7, 6, 5, 4, 3, 2, 1, 0])
    parts = split_evenly(lengths, rows, 7)
    assert np.concatenate(parts).tolist() == rows.tolist()
    assert [int(lengths[part].sum()) for part in parts] == [5, 8, 7]


def test_rows_of_fewer_tokens_than_a_step_are_one_step():
    assert [part.tolist() for part in split_evenly(np.array([1, 2]), np.array([1, 0]), 100)] == [[1, 0]]
