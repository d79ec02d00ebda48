"""Progress on a terminal and elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from datasel_assets import progress
from datasel_assets.cli.output import open_console
from datasel_assets.cli.progress_display import EVERY_S, QUIET_S, Bars, Lines, progress_display


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_outside_a_terminal_a_line_is_printed_every_few_seconds_with_rate_and_remaining_time():
    file, clock = StringIO(), Clock()
    lines = Lines(open_console(file), clock)
    lines.begin("sums: embeddings")
    for done in range(0, 2000, 10):
        clock.now = 100 + done / 100
        lines.report("embeddings sums", done, 2000)
    printed = file.getvalue().splitlines()
    # 20 s of work at 100 rows a second.
    assert printed == [
        "  sums: embeddings",
        "  embeddings sums: 500/2,000 (25%), 100/s, ETA 0:00:15",
        "  embeddings sums: 1,000/2,000 (50%), 100/s, ETA 0:00:10",
        "  embeddings sums: 1,500/2,000 (75%), 100/s, ETA 0:00:05",
    ]


def test_work_without_extent_and_work_that_is_done_have_no_line():
    file, clock = StringIO(), Clock()
    lines = Lines(open_console(file), clock)
    for done, total in ((0, 0), (7, 7)):
        clock.now += 2 * EVERY_S
        lines.report("corpus", done, total)
    assert file.getvalue() == ""


def test_work_that_reports_nothing_is_named_now_and_then_with_its_own_time_and_no_question_mark():
    file, clock = StringIO(), Clock()
    lines = Lines(open_console(file), clock)
    lines.still()
    for what in ("duplicates", "selections/random"):
        with progress.working_on(what):
            for _ in range(int(2 * QUIET_S) + 1):
                lines.still()
                clock.now += 1
    clock.now += 10 * QUIET_S
    lines.still()
    assert file.getvalue().splitlines() == [
        "  duplicates: at work for 0:00:20",
        "  duplicates: at work for 0:00:40",
        "  selections/random: at work for 0:00:19",
        "  selections/random: at work for 0:00:39",
    ]


def test_work_that_reports_is_not_named_besides():
    file, clock = StringIO(), Clock()
    lines = Lines(open_console(file), clock)
    with progress.working_on("embeddings sums"):
        for done in range(60):
            clock.now += 1
            lines.report("embeddings sums", done, 100)
            lines.still()
    assert "at work" not in file.getvalue()


def test_the_same_work_of_a_later_run_is_timed_afresh():
    file, clock = StringIO(), Clock()
    lines = Lines(open_console(file), clock)
    lines.report("comparison", 5, 10)
    lines.end()
    clock.now += 1000
    lines.report("comparison", 1, 10)
    clock.now += 10
    lines.report("comparison", 6, 10)
    assert file.getvalue().splitlines()[-1] == "  comparison: 6/10 (60%), 0.5/s, ETA 0:00:08"


def test_a_line_of_work_that_was_seen_once_has_no_rate():
    assert progress.line("corpus", 500, 6000, 0, 0.0) == "corpus: 500/6,000 (8%)"


def test_a_stream_that_is_no_terminal_gets_lines_although_colours_are_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = open_console(StringIO())
    assert console.is_terminal
    with progress_display(console) as shown:
        assert isinstance(shown, Lines)
        assert progress._listeners == [shown.report]
    assert progress._listeners == []


@pytest.mark.parametrize("report", [False, True])
def test_a_bar_shows_no_count_before_it_is_known_and_foreign_text_to_the_letter(report: bool):
    file = StringIO()
    console = Console(file=file, force_terminal=True, width=120, markup=False, color_system=None)
    bars = Bars(console)
    bars.begin("[red]pool: selections")
    if report:
        bars.report("comparison", 3, 1200)
    console.print(bars.live.get_renderable())
    assert "[red]pool: selections" in file.getvalue()
    assert "?" not in file.getvalue()
    assert ("3/1,200" in file.getvalue()) == report
    bars.end()
    assert bars.live.tasks == []
