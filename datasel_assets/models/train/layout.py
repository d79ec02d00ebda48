"""How texts share the lines of a batch: several on one line, so that hardly a place is padding.

Belongs here: which text stands where. Does not: attention, which keeps the texts of a line apart (``row_model``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LINE = 256
"""Shortest line that texts are gathered on: attention costs grow with its square, and products like many places."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where k texts stand in a batch of B lines of T places.

    Attributes:
        line: (k,) int64 line of each text.
        start: (k,) int64 place of its first token on the line.
        shape: (B, T).
    """

    line: np.ndarray
    start: np.ndarray
    shape: tuple[int, int]


def lay_out(lengths: Sequence[int] | np.ndarray, *, shared: bool, line: int = LINE) -> Layout:
    """Return a layout of texts, the same for the same lengths.

    The longest text first, each on the line with most room (longest processing time first), so that lines end up
    nearly equal.

    Args:
        lengths: (k,) tokens of each text, at least one.
        shared: whether a line may hold several texts.
        line: lines are about as long as the longest text, or as this where that is more.
    """
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    if not shared:
        places = np.empty(len(sizes), np.int64)
        places[order] = np.arange(len(sizes))
        return Layout(places, np.zeros(len(sizes), np.int64), (len(sizes), int(sizes.max())))
    lines = max(1, int(sizes.sum()) // max(line, int(sizes.max())))
    filled = np.zeros(lines, np.int64)
    where, start = np.empty(len(sizes), np.int64), np.empty(len(sizes), np.int64)
    for text in order:
        least = int(filled.argmin())
        where[text], start[text] = least, filled[least]
        filled[least] += sizes[text]
    return Layout(where, start, (lines, int(filled.max())))
