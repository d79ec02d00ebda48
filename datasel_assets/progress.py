"""Where long work reports how far it is. A leaf: producers call :func:`report`, a front end calls :func:`listen`.

Belongs here: the reports, and how one reads as a line. Not: where lines are shown (Dagster's log,
the terminal).

A module variable and not a context variable, because Dagster may run a step in another context of the same process.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from logging import Logger

import psutil

EVERY_S = 10.0
"""Least time between two lines of a log."""

Listener = Callable[[str, int, int], None]

_listeners: list[Listener] = []
_units: list[Callable[[int], None]] = []
_at: list[str] = []


def report(what: str, done: int, total: int) -> None:
    """Tell every listener that ``done`` of ``total`` units of ``what`` are finished."""
    for listener in _listeners:
        listener(what, done, total)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Send reports to ``listener`` while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def working_on(what: str) -> Iterator[None]:
    """Name the work that the block does, for those who ask while nothing is reported."""
    _at.append(what)
    try:
        yield
    finally:
        _at.remove(what)


def current() -> str | None:
    """Return the innermost work that goes on now, or None."""
    return _at[-1] if _at else None


def rows_done(done: int) -> None:
    """Tell how many rows of the running unit of work are finished; in a process that nobody listens to, nothing."""
    for told in _units:
        told(done)


@contextmanager
def within(before: int, on_rows: Callable[[int], None]) -> Iterator[None]:
    """Pass on the rows that a unit of work finishes while the block runs, after ``before`` rows of other units."""

    def told(done: int) -> None:
        on_rows(before + done)

    _units.append(told)
    try:
        yield
    finally:
        _units.remove(told)


class Pace:
    """Turns reports into lines, one now and then: never two within ``every_s`` seconds, none for finished work."""

    def __init__(self, say: Callable[[str], None], every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._every_s = every_s
        self._clock = clock
        self._said = clock()
        self._first: dict[str, tuple[float, int]] = {}

    def report(self, what: str, done: int, total: int) -> None:
        """Say how far ``what`` is, unless it is done or something was said just now."""
        now = self._clock()
        since, before = self._first.setdefault(what, (now, done))
        if now - self._said < self._every_s or done >= total:
            return
        self._said = now
        self._say(line(what, done, total, done - before, now - since))

    def forget(self) -> None:
        """Forget the work that is over: its rate says nothing about the next."""
        self._first.clear()


@contextmanager
def log_progress(log: Logger) -> Iterator[None]:
    """Write to ``log`` now and then, while the block runs, how far the work is and how much memory is held."""
    process = psutil.Process()

    def say(line: str) -> None:
        log.info(f"{line}, {process.memory_info().rss / 2**30:.1f} GB of memory")

    with listen(Pace(say, EVERY_S).report):
        yield


def line(what: str, done: int, total: int, fresh: int, seconds: float) -> str:
    """Return ``what`` with its count and, where ``fresh`` units have taken ``seconds``, rate and remaining time.

    >>> line("corpus", 1500, 6000, 1000, 10.0)
    'corpus: 1,500/6,000 (25%), 100/s, ETA 0:00:45'
    >>> line("corpus", 500, 6000, 0, 0.0)
    'corpus: 500/6,000 (8%)'
    """
    said = f"{what}: {done:,}/{total:,} ({100 * done // total}%)"
    if fresh <= 0 or seconds <= 0:
        return said
    rate = fresh / seconds
    left = timedelta(seconds=round(max(total - done, 0) / rate))
    return f"{said}, {rate:,.0f}/s, ETA {left}" if rate >= 10 else f"{said}, {rate:.2g}/s, ETA {left}"
