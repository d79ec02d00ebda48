"""Progress in Dagster's log: where a run's page is open, a line now and then says how far a step is.

Belongs here: the listener and its pace. Not: what is reported (``datasel_assets.progress``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger

import psutil

from datasel_assets import progress

EVERY_S = 10.0
"""Least time between two lines: each is an event in the run history."""


@contextmanager
def log_progress(log: Logger) -> Iterator[None]:
    """Write to ``log`` what is reported while the block runs, with rate, remaining time and the memory that is held."""
    process = psutil.Process()

    def say(line: str) -> None:
        log.info(f"{line}, {process.memory_info().rss / 2**30:.1f} GB of memory")

    with progress.listen(progress.Pace(say, EVERY_S).report):
        yield
