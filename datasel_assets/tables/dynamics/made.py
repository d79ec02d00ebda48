"""What a training hands to the table of dynamics. Not here: making it (``text``, ``labels``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators.dynamics import History


@dataclass(frozen=True, eq=False)
class Made:
    """A training of n rows.

    Attributes:
        names: ``row_id`` and ``source`` of each row.
        history: what was remembered.
        texts: (prompt, response) of each row, for the page.
        facts: what the page shows.
        labels: label of each row, where a classifier was trained.
        told: the label that the classifier names.
        counts: (n,) wrong predictions that the mixture was fitted to; None: those of the history.
        planted: what was remembered of the same rows when some were made wrong; None: not tried.
        marked: (n,) bool, these rows.
    """

    names: pl.DataFrame
    history: History
    texts: Sequence[tuple[str, str]]
    facts: Mapping[str, Any]
    labels: Sequence[str] | None = None
    told: Sequence[str] | None = None
    counts: np.ndarray | None = None
    planted: History | None = None
    marked: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
