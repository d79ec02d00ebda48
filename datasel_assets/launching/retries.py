"""What is tried again: a step whose worker, host or connection was lost. What is wrong with data fails at once.

Belongs here: telling the two apart. Does not belong here: runs whose process is gone (``dead_runs``), and what the
daemon of Dagster starts again (``dagster.yaml``).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from datasel_assets.compute import ClusterError
from datasel_assets.storage.readers.fetch import TransferError

TRIES_AGAIN = 2
FIRST_WAIT_S = 5.0

LOST = (ConnectionError, TimeoutError, ClusterError, TransferError)
"""Errors that say nothing about data: somebody who should answer does not."""

LOST_PROCESS = dg.RetryPolicy(
    max_retries=TRIES_AGAIN, delay=FIRST_WAIT_S, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""Where each step has a process of its own, that may be killed or evicted without a word from the step."""


@contextmanager
def only_losses_tried_again(attempt: int, *, by_policy: bool) -> Iterator[None]:
    """Have a step tried again where the block fails for a loss, and only then.

    Args:
        attempt: how often the step was tried again already.
        by_policy: the asset has :data:`LOST_PROCESS`, which tries again whatever does not say that it must not. Without
            it the error of the step stays what it is.
    """
    try:
        yield
    except LOST as error:
        raise dg.RetryRequested(TRIES_AGAIN, FIRST_WAIT_S * 2**attempt) from error
    except Exception as error:
        if not by_policy or isinstance(error, dg.Failure):
            raise
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
