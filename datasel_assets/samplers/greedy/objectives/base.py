"""What an objective is. Belongs here: the protocol and the grid of gains. Does not: any objective, any optimiser."""

from typing import Any, Protocol

import numpy as np

from datasel_assets.samplers.candidates import Candidates
from datasel_assets.schema import StrictModel


class NoParams(StrictModel, frozen=True):
    """An objective without parameters."""


class Objective(Protocol):
    """A set function that knows the rows added so far.

    An objective is a class with these members and one line in ``objectives.OBJECTIVES``. It is made as
    ``Class(pool, params)`` from the rows that count, in the order of row_id: position 0 wins ties.

    It must be submodular (the gain of a row never grows when other rows are added), or the lazy optimisers do not give
    the greedy order. Equal gains should be equal numbers: sum whole numbers where rounding could tell them apart, or
    use ``on_grid``.

    Attributes:
        Params: the keys that YAML may set beside ``name``.
        REQUIRES: parts of ``Candidates`` that are read.
        n: number of rows.
        batch: how many rows are worth evaluating in one call at least.
    """

    Params: type[StrictModel]
    REQUIRES: frozenset[str]
    n: int
    batch: int

    @property
    def whole(self) -> float:
        """What f is held against to be a share of 1, above 0 and the same whatever has been added.

        It is f of all rows, before anything is taken off for redundancy.
        """
        ...

    def __init__(self, pool: Candidates, params: Any) -> None: ...

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Return what each of ``rows`` (m,) would add by itself now: f(S + row) - f(S), (m,) float64."""
        ...

    def add(self, row: int) -> None:
        """Add a row to S."""
        ...


GRID = 2.0**-40


def on_grid(gains: np.ndarray) -> np.ndarray:
    """Round gains to whole multiples of 2**-40, so that the order of a sum does not decide between equal gains."""
    return np.rint(gains / GRID) * GRID
