"""What a worker of a Ray cluster does. A leaf: it loads nothing before it knows how many threads it may use."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from datasel_assets.compute.units import function_at

THREADS = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
"""Ray itself sets ``OMP_NUM_THREADS``; these are read when the library is loaded."""


def carry_out(units: Sequence[tuple[str, Mapping[str, Any]]], threads: int) -> list[dict[str, Any]]:
    """Carry out units, each a path of a function and its arguments, one after the other; return their facts."""
    for name in THREADS:
        os.environ.setdefault(name, str(threads))
    return [dict(function_at(call)(**args)) for call, args in units]
