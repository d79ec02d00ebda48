"""Large arrays that live as long as a step. Does not belong here: arrays that are kept (``lake``)."""

import tempfile
from pathlib import Path

import numpy as np

MAPPED_BYTES = 2 << 30
"""Arrays larger than this are kept in a temporary file and paged in by the kernel."""


def scratch_array(folder: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array of zeros, in memory or, above ``MAPPED_BYTES``, in a nameless temporary file in ``folder``."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= MAPPED_BYTES:
        return np.zeros(shape, dtype=dtype)
    # The file has no name: it is gone when the array is, also after a crash.
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)
