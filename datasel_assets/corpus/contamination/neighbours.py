"""The weak tier: rows whose vector lies near that of an item, for a person to review.

Belongs here: blocked nearest items, what stays of them when rows and items change, and the threshold. Not here:
encoding, files.

The threshold has two sides, neither of which needs labels (``settle_threshold``):

- *rate*: only a stated share of the background, the rows of the pool, lies at or above it.
- *reach*: copies of the items that keep half of their words, drawn at random, are pairs that must match. The threshold
  is never above the upper quartile of their cosines: a pool that is contaminated through and through cannot raise it
  beyond that, as it would by the rate alone.

Limits. On a clean pool the list holds the stated share of it all the same: the nearest rows, all of them wrong; and
more, where the pool is of the evaluation's own kind and the reach decides. An item is missed where a translation or a
longer text around it moves its vector further than half of the words do; an encoder of one language sees no other. A
pool of fewer than 1/rate rows is judged by the reach, or by its own nearest row where that is lower: then nothing is
listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination.index import CONTAMINATION_SCHEMA, EVIDENCE_CHARS
from datasel_assets.corpus.contamination.items import EvaluationItem

ROWS, ITEMS = 2_048, 4_096
"""Rows and items of one block: the products of a block take 32 MiB."""

REACH = 1e-4
"""More than a float32 product of unit vectors of 4,096 dimensions can be wrong; items this close are computed again."""

COPIES = 0.75
"""Quantile of the cosines of items to their halved copies that the threshold does not exceed."""

DECIMALS = 3
"""Decimals of a threshold; a few new rows then leave it as it is, and what hangs on it too."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Rows with their nearest item, in the order of the rows.

    Attributes:
        rows: (k,) int64.
        items: (k,) int64; the first of equally near ones.
        cosine: (k,) float32.
    """

    rows: np.ndarray
    items: np.ndarray
    cosine: np.ndarray

    def at_least(self, threshold: float) -> "Neighbours":
        """Return the rows at or above a threshold."""
        kept = self.cosine >= np.float32(threshold)
        return Neighbours(self.rows[kept], self.items[kept], self.cosine[kept])


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it was set on.

    Attributes:
        threshold: smallest cosine that counts: the smaller of ``by_rate`` and ``reach``.
        by_rate: smallest cosine that at most the stated share of the background reaches.
        reach: upper quartile of the cosines of items to their halved copies; infinite where none were given.
        share_above: share of the background at or above the threshold.
        background: rows that it was set on.
    """

    threshold: float
    by_rate: float
    reach: float
    share_above: float
    background: int


def nearest_items(row_vectors: np.ndarray, item_vectors: np.ndarray) -> Neighbours:
    """Find the nearest item of each row by cosine.

    Blocks of float32 products find the candidates; the cosine and the item come from float64 products of these few, so
    that they do not depend on the blocks. Memory: 40 MiB, and the item vectors in float32.

    Args:
        row_vectors: (m, d) float16, float32 or float64; may be memory-mapped. A row of zeros has no neighbour and is
            not in the result.
        item_vectors: (t, d), at least one.

    Raises:
        ValueError: not two-dimensional, or of different dimensions.
    """
    _require(row_vectors, item_vectors)
    targets = np.nan_to_num(_unit(item_vectors, np.float32), nan=0.0)
    found = []
    for block in _blocks(len(row_vectors), ROWS):
        queries = _unit(row_vectors[block], np.float32)
        usable = np.flatnonzero(~np.isnan(queries[:, 0]))
        best = np.full(len(usable), -np.inf, np.float32)
        near: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for part in _blocks(len(targets), ITEMS):
            products = queries[usable] @ targets[part].T
            np.maximum(best, products.max(axis=1), out=best)
            row, item = np.nonzero(products >= best[:, None] - REACH)
            near.append((row, item + part.start, products[row, item]))
        row, item, product = (np.concatenate(each) for each in zip(*near, strict=True))
        close = product >= best[row] - REACH
        row, item = usable[row[close]] + block.start, item[close]
        cosine = _products(row_vectors, item_vectors, row, item)
        order = np.lexsort((item, -cosine, row))
        first = order[np.flatnonzero(np.diff(row[order], prepend=-1))]
        found.append((row[first], item[first], cosine[first]))
    if not found:
        return Neighbours(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return Neighbours(*(np.concatenate(each) for each in zip(*found, strict=True)))


def embedding_neighbours(row_vectors: np.ndarray, item_vectors: np.ndarray, threshold: float) -> Neighbours:
    """Return the rows whose nearest item is at or above a threshold; see ``nearest_items``."""
    return nearest_items(row_vectors, item_vectors).at_least(threshold)


def settle_threshold(background: np.ndarray, copies: np.ndarray, false_positive_rate: float) -> Calibration:
    """Set the cosine from which on a row is listed, by the rate and the reach that the module describes.

    Args:
        background: (m,) cosine of rows of the pool to their nearest item, NaN where a row has no direction.
        copies: (t,) cosine of items to copies of them that keep half of their words; may be empty, then the rate alone
            decides.
        false_positive_rate: in [0, 1).

    Returns:
        The threshold, rounded up to DECIMALS.

    Raises:
        ValueError: the rate is outside [0, 1), or the background has no row with a direction.
    """
    if not 0 <= false_positive_rate < 1:
        raise ValueError(f"false_positive_rate must be in [0, 1), got {false_positive_rate}")
    cosine = np.sort(background[~np.isnan(background)].astype(np.float64))[::-1]
    if not len(cosine):
        raise ValueError("the background has no row with a direction; give rows with vectors that are not zero")
    allowed = int(np.floor(false_positive_rate * len(cosine) + 1e-9))
    by_rate = _above(float(cosine[allowed]))
    copies = copies[~np.isnan(copies)]
    reach = round(float(np.quantile(copies, COPIES)), DECIMALS) if len(copies) else float("inf")
    threshold = min(by_rate, reach)
    return Calibration(threshold, by_rate, reach, float((cosine >= threshold).mean()), len(cosine))


def review_list(
    row_ids: Sequence[str] | pl.Series, items: Sequence[EvaluationItem], neighbours: Neighbours
) -> pl.DataFrame:
    """Name rows and items of neighbours; tier ``embedding``, the cosine as overlap, the item's text as evidence.

    Returns:
        Columns of CONTAMINATION_SCHEMA, sorted by cosine, the nearest first.
    """
    nearest = [items[i] for i in neighbours.items.tolist()]
    return pl.DataFrame(
        {
            "row_id": [str(row_ids[i]) for i in neighbours.rows.tolist()],
            "evaluation": [item.evaluation for item in nearest],
            "item": [item.item for item in nearest],
            "tier": ["embedding"] * len(nearest),
            "overlap": neighbours.cosine,
            "evidence": [item.text[:EVIDENCE_CHARS] for item in nearest],
        },
        schema=CONTAMINATION_SCHEMA,
    ).sort("overlap", "row_id", descending=[True, False])


def _require(rows: np.ndarray, items: np.ndarray) -> None:
    if rows.ndim != 2 or items.ndim != 2 or rows.shape[1] != items.shape[1] or not len(items):
        raise ValueError(
            f"vectors must be (rows, d) and (items, d) with one item or more, got {rows.shape} and {items.shape}: "
            "encode the evaluation with the same representation as the rows"
        )


def _unit(vectors: np.ndarray, dtype: type) -> np.ndarray:
    """Scale to length 1; NaN where there is no direction."""
    wide = vectors.astype(dtype)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wide /= np.sqrt(np.vecdot(wide, wide))[:, None]
    return wide


def _blocks(n: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _products(rows: np.ndarray, items: np.ndarray, row: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Cosine of pairs, float64 rounded to float32."""
    found = np.empty(len(row), np.float32)
    for block in _blocks(len(row), ROWS):
        targets = np.nan_to_num(_unit(items[item[block]], np.float64), nan=0.0)
        found[block] = np.vecdot(_unit(rows[row[block]], np.float64), targets)
    return found


def _above(cosine: float) -> float:
    """Return the smallest number of DECIMALS above a cosine."""
    scale = 10**DECIMALS
    return float((np.floor(cosine * scale + 1e-9) + 1) / scale)
