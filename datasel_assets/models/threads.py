"""Batches side by side on the CPU: one thread per core, each computing alone. Not here: what a batch is."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import numpy as np

from datasel_assets.models.device import return_free_memory

Result = TypeVar("Result")


def run_on_threads(work: Callable[[np.ndarray], Result], batches: Iterable[np.ndarray]) -> Iterator[Result]:
    """Yield ``work(batch)`` of each batch as it is done, in any order.

    Many small products run faster side by side than one after the other on all cores. Afterwards torch has its threads
    back, and the system the memory that they used.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(threads, "model", initializer=torch.set_num_threads, initargs=(1,))
    try:
        for done in as_completed([pool.submit(work, batch) for batch in batches]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
        return_free_memory()
