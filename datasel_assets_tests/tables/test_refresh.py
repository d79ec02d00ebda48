"""Bringing every table up to date: what is told of it, and work side by side."""

import threading

import pytest

from datasel_assets.tables.refresh import Outcome, side_by_side


def test_sources_that_failed_alike_share_a_line():
    runs = [
        {"source": source, "assets": ["corpus"], "success": False, "error": "corpus: ValueError: torn"}
        for source in ("a", "b")
    ]
    assert Outcome(runs=runs).causes == ["a, b: corpus: ValueError: torn"]


def test_work_side_by_side_overlaps_and_an_error_of_one_reaches_the_caller():
    both = threading.Barrier(2, timeout=10)
    side_by_side(lambda item: both.wait() and None, ["a", "b"], at_once=2)

    def odd(item: int) -> None:
        if item == 1:
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        side_by_side(odd, [0, 1, 2], at_once=2)


def test_as_many_go_at_once_as_may():
    met = threading.Barrier(3, timeout=20)
    done = []

    def work(item: int) -> None:
        met.wait()
        done.append(item)

    side_by_side(work, range(3), 3)
    assert sorted(done) == [0, 1, 2]
