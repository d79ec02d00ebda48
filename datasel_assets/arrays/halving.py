"""Batches that are cut in half until they fit where they are computed.

Belongs here: the loop. Does not: how rows make up a batch (``token_batches``), what it is that does not fit and how the
failure shows (the caller says).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")


@dataclass
class TokenBudget:
    """How many tokens one batch may hold. It only ever falls, so that later calls start from what has fitted."""

    tokens: int


class RowDoesNotFitError(RuntimeError):
    """One row alone does not fit.

    Attributes:
        tokens: length of the row.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__(f"one row of {tokens} tokens does not fit")
        self.tokens = tokens


def run_halving(
    work: Callable[[np.ndarray], Result],
    lengths: np.ndarray,
    budget: TokenBudget,
    *,
    plan: Callable[[np.ndarray, int], list[np.ndarray]],
    cost: Callable[[np.ndarray], int],
    failure: type[Exception],
    on_halved: Callable[[int], None] = lambda tokens: None,
) -> Iterator[tuple[np.ndarray, Result]]:
    """Yield ``(batch, work(batch))``, one batch after the other; a batch that does not fit is planned anew.

    The budget then becomes half of what the batch cost, but no less than its longest row, for this batch and all that
    follow; what was yielded is not computed again.

    Args:
        work: computes a batch, given the positions of its rows.
        lengths: (n,) tokens of each row; rows of length 0 are in no batch.
        budget: tokens of one batch; lowered in place.
        plan: lengths and a budget -> batches (``token_batches``).
        cost: tokens that a batch of rows of these lengths holds, padding included.
        failure: what ``work`` raises where a batch does not fit. It is forgotten before ``on_halved`` is called, so
            that nothing holds on to what the failed batch had taken.
        on_halved: called with the new budget.

    Raises:
        RowDoesNotFitError: a batch of one row fails; its cause is the failure.
    """
    remaining = np.array(lengths)
    batches = plan(remaining, budget.tokens)
    while batches:
        batch = batches[0]
        done: list[Result] = []
        try:
            done.append(work(batch))
        except failure as error:
            if len(batch) == 1:
                raise RowDoesNotFitError(int(remaining[batch[0]])) from error
        if done:
            remaining[batch] = 0
            batches = batches[1:]
            yield batch, done[0]
        else:
            budget.tokens = max(int(remaining[batch].max()), cost(remaining[batch]) // 2)
            on_halved(budget.tokens)
            batches = plan(remaining, budget.tokens)
