"""How far long work has come: bars on a terminal, elsewhere a line now and then.

Belongs here: showing what producers report (``datasel_assets.progress``). Not: what else a command prints.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

from datasel_assets import progress

if TYPE_CHECKING:
    from rich.console import Console

EVERY_S = 5.0
"""Least time between two lines where there is no terminal."""
QUIET_S = 20.0
"""Longest silence where there is no terminal: who watches a job elsewhere stops one that says nothing."""
WIDTH = 44


@contextmanager
def progress_display(console: "Console") -> Iterator["Bars | Lines"]:
    """Show how far work is while the block runs; what else is printed on ``console`` stays in place."""
    if not (console.is_interactive and console.file.isatty()):
        lines = Lines(console)
        with lines.watched(), progress.listen(lines.report):
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
    """A line at most every ``EVERY_S`` seconds, and one every ``QUIET_S`` while work goes on that reports nothing."""

    def __init__(self, console: "Console", clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._pace = progress.Pace(self._print, EVERY_S, clock)
        self._printed = clock()
        self._seen: tuple[str, float] | None = None
        self._over = Event()

    def begin(self, what: str) -> None:
        """Say that work has begun, so that a log does not end where the work is."""
        self._print(what)

    def report(self, what: str, done: int, total: int) -> None:
        """Print how far ``what`` is, unless it is done or a line was printed just now."""
        self._pace.report(what, done, total)

    def end(self) -> None:
        """Forget the work that is over."""
        self._pace.forget()

    def still(self) -> None:
        """Say what goes on and for how long, where nothing was said for ``QUIET_S``."""
        now, what = self._clock(), progress.current()
        if what is None:
            self._seen = None
            return
        if self._seen is None or self._seen[0] != what:
            self._seen = what, now
        if now - self._printed >= QUIET_S:
            self._print(f"{what}: at work for {timedelta(seconds=round(now - self._seen[1]))}")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Call :meth:`still` now and then while the block runs."""

        def watch() -> None:
            while not self._over.wait(1.0):
                self.still()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _print(self, line: str) -> None:
        self._printed = self._clock()
        self._console.print(f"  {line}", soft_wrap=True)
