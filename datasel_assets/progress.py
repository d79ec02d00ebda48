"""Where long work reports how far it is. A leaf: producers call :func:`report`, a front end calls :func:`listen`.

A module variable and not a context variable, because Dagster may run a step in another context of the same process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]

_listeners: list[Listener] = []


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
