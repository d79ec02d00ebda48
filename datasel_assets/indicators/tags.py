"""Scores from the tags of a row. Belongs here: the indicators. Does not: where tags come from."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from datasel_assets.indicators.base import Indicator, indicator

FAMILY = "tags"
_COUNT = "_count"


@indicator(
    keep="high",
    bounds=(0, None),
    source="Lu et al. 2023, #InsTag, arXiv 2308.07074, section 4: complexity is the average number of tags",
)
def count(counts: np.ndarray) -> np.ndarray:
    """Number of different tags of the row.

    Tags that were too rare to become labels do not count. NaN where the tags are not known: the record lacks the
    column, or the tagger's answer could not be read.
    """
    return np.asarray(counts, np.float64)


def tag_indicators(names: Iterable[str]) -> dict[str, Indicator]:
    """Return the columns of the family: ``<name>_count`` for each file in ``tags/``."""
    return {f"{name}{_COUNT}": replace(count, name=f"{name}{_COUNT}") for name in sorted(names)}


def tags_file(column: str) -> str:
    """Return the file in ``tags/`` whose tags a column of the family counts.

    >>> tags_file("phrases_count")
    'phrases'
    """
    return column.removesuffix(_COUNT)
