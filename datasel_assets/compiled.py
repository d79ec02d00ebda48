"""Loops compiled by numba. Belongs here: how they are compiled. Not: any loop; import this inside functions only."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any], *, reorder: bool = False) -> Any:
    """Compile on the first call, and keep the machine code on disk where a folder for it can be written.

    numba chooses the folder: ``NUMBA_CACHE_DIR`` where that is set, else ``__pycache__`` beside the file, else the
    user's cache.

    Args:
        function: the loop.
        reorder: let the compiler add floats in another order and fuse products with sums, so that sums run in vector
            registers. NaN and infinity keep their meaning.
    """
    fastmath: Any = {"reassoc", "contract", "nsz"} if reorder else False
    try:
        return njit(cache=True, nogil=True, fastmath=fastmath)(function)
    except RuntimeError:  # numba found no folder that it may write to
        return njit(nogil=True, fastmath=fastmath)(function)
