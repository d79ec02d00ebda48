"""Running batches on a device whose memory may not hold them.

Belongs here: how running out of memory shows, what is freed, what is said. Does not: the loop (``arrays.halving``).
"""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from datasel_assets.arrays.halving import RowDoesNotFitError, TokenBudget, run_halving

if TYPE_CHECKING:
    import torch

LOGGER = logging.getLogger(__name__)

Result = TypeVar("Result")


class DeviceMemoryError(RuntimeError):
    """One row alone does not fit into the memory of the device."""


def run_within_memory(
    work: Callable[[np.ndarray], Result],
    lengths: np.ndarray,
    budget: TokenBudget,
    *,
    plan: Callable[[np.ndarray, int], list[np.ndarray]],
    cost: Callable[[np.ndarray], int],
    device: "torch.device",
    model: str,
) -> Iterator[tuple[np.ndarray, Result]]:
    """Yield ``(batch, work(batch))``; a batch that does not fit halves the budget for itself and all that follow.

    Args:
        work: computes a batch, given the positions of its rows.
        lengths: (n,) tokens of each row; rows of length 0 are in no batch.
        budget: tokens of one batch; lowered in place.
        plan: lengths and a budget -> batches.
        cost: tokens that a batch of rows of these lengths holds, padding included.
        device: where ``work`` runs.
        model: what runs there, for messages.

    Raises:
        DeviceMemoryError: one row alone does not fit.
    """
    import torch

    def on_halved(tokens: int) -> None:
        LOGGER.warning("%s is out of memory; batches now hold %d tokens", device, tokens)
        torch.cuda.empty_cache()

    try:
        yield from run_halving(
            work, lengths, budget, plan=plan, cost=cost, failure=torch.OutOfMemoryError, on_halved=on_halved
        )
    except RowDoesNotFitError as error:
        raise DeviceMemoryError(
            f"one row of {error.tokens} tokens does not fit on {device} with {model}: lower max_tokens, free the "
            "device, or use a smaller model or device: cpu"
        ) from error.__cause__
