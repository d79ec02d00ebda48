"""How long work says how far it is."""

from contextlib import suppress

import pytest

from datasel_assets import progress


def test_what_goes_on_is_the_innermost_work_and_is_forgotten_when_it_fails():
    assert progress.current() is None
    with progress.working_on("selections"):
        with suppress(OSError), progress.working_on("report"):
            assert progress.current() == "report"
            raise OSError("disk full")
        assert progress.current() == "selections"
    assert progress.current() is None


def test_two_lines_are_never_closer_than_the_pace_and_the_end_has_none():
    said: list[str] = []
    now = [0.0]
    pace = progress.Pace(said.append, 10.0, lambda: now[0])
    for done in range(0, 101):
        now[0] = done / 2
        pace.report("corpus", done, 100)
    assert said == [
        "corpus: 20/100 (20%), 2/s, ETA 0:00:40",
        "corpus: 40/100 (40%), 2/s, ETA 0:00:30",
        "corpus: 60/100 (60%), 2/s, ETA 0:00:20",
        "corpus: 80/100 (80%), 2/s, ETA 0:00:10",
    ]


@pytest.mark.parametrize(("done", "total"), [(0, 0), (7, 7)])
def test_work_of_unknown_or_reached_extent_has_no_line(done: int, total: int):
    said: list[str] = []
    now = [0.0]
    pace = progress.Pace(said.append, 1.0, lambda: now[0])
    for _ in range(9):
        now[0] += 5
        pace.report("corpus", done, total)
    assert said == []
