"""Where long work reports how far it is. A leaf: producers call :func:`report`, a front end calls :func:`listen`.

A module variable and not a context variable, because Dagster may run a step in another context of the same process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]

_listeners: list[Listener] = []
_units: list[Callable[[int], None]] = []


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
