"""How far long work has come: bars on a terminal, elsewhere a line now and then.

Belongs here: showing what producers report (``datasel_assets.progress``). Not: what else a command prints.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from datasel_assets import progress

if TYPE_CHECKING:
    from rich.console import Console

EVERY_S = 5.0
"""Least time between two lines where there is no terminal."""
WIDTH = 44


@contextmanager
def progress_display(console: "Console") -> Iterator["Bars | Lines"]:
    """Show how far work is while the block runs; what else is printed on ``console`` stays in place."""
    if not (console.is_interactive and console.file.isatty()):
        lines = Lines(console)
        with progress.listen(lines.report):
            yield lines
        return
    bars = Bars(console)
    with bars.live, progress.listen(bars.report):
        yield bars


class Bars:
    """A bar for each piece of work, which vanishes with it."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn(f"{{task.description:{WIDTH}}}", markup=False),
            BarColumn(28),
            TextColumn("{task.fields[count]}", markup=False, style="progress.download"),
            TimeElapsedColumn(),
        )
        self.live = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def begin(self, what: str) -> None:
        """Show that work has begun whose extent is not known."""
        self._tasks[what] = self.live.add_task(what[:WIDTH], total=None, count="")

    def report(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` units of ``what`` are finished."""
        if what not in self._tasks:
            self._tasks[what] = self.live.add_task(what, count="")
        self.live.update(self._tasks[what], completed=done, total=total, count=f"{done:,}/{total:,}")

    def end(self) -> None:
        """Take all bars away."""
        for task in self._tasks.values():
            self.live.remove_task(task)
        self._tasks.clear()


class Lines:
    """A line at most every ``EVERY_S`` seconds."""

    def __init__(self, console: "Console", clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._printed = clock()
        self._first: dict[str, tuple[float, int]] = {}

    def begin(self, what: str) -> None:
        """Print nothing: only work whose extent is known has a line."""

    def report(self, what: str, done: int, total: int) -> None:
        """Print how far ``what`` is, unless it is done or a line was printed just now."""
        now = self._clock()
        since, before = self._first.setdefault(what, (now, done))
        if now - self._printed < EVERY_S or done >= total:
            return
        self._printed = now
        self._console.print(f"  {progress_line(what, done, total, done - before, now - since)}", soft_wrap=True)

    def end(self) -> None:
        """Forget the work that is over."""
        self._first.clear()


def progress_line(what: str, done: int, total: int, fresh: int, seconds: float) -> str:
    """Return ``what`` with its count and, where ``fresh`` units have taken ``seconds``, rate and remaining time.

    >>> progress_line("corpus", 1500, 6000, 1000, 10.0)
    'corpus: 1,500/6,000 (25%), 100/s, ETA 0:00:45'
    >>> progress_line("corpus", 500, 6000, 0, 0.0)
    'corpus: 500/6,000 (8%)'
    """
    line = f"{what}: {done:,}/{total:,} ({100 * done // total}%)"
    if fresh <= 0 or seconds <= 0:
        return line
    rate = fresh / seconds
    left = timedelta(seconds=round(max(total - done, 0) / rate))
    return f"{line}, {rate:,.0f}/s, ETA {left}" if rate >= 10 else f"{line}, {rate:.2g}/s, ETA {left}"
