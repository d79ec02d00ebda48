"""The weak tier: rows whose vector lies near that of an item, for a person to review.

Belongs here: blocked nearest items, and the threshold that keeps false alarms at a stated rate. Not here: encoding.
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
"""More than a float32 product of unit vectors of 4,096 dimensions can be wrong; rows this close are computed again."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Rows at or above a threshold with their nearest item, in the order of the rows.

    Attributes:
        rows: (k,) int64.
        items: (k,) int64; the first of equally near ones.
        cosine: (k,) float32.
    """

    rows: np.ndarray
    items: np.ndarray
    cosine: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it was set on.

    Attributes:
        threshold: smallest cosine that counts.
        share_above: share of the background at or above it, at most the rate that was asked for.
        background: rows that it was set on.
    """

    threshold: float
    share_above: float
    background: int


def embedding_neighbours(row_vectors: np.ndarray, item_vectors: np.ndarray, threshold: float) -> Neighbours:
    """Find the nearest item of each row by cosine, and keep the rows at or above the threshold.

    Blocks of float32 products find the rows; the cosine and the item of these few come from float64 products, so that
    they do not depend on the blocks. Memory: 32 MiB, and the item vectors in float32.

    Args:
        row_vectors: (m, d) float16, float32 or float64; may be memory-mapped. A row of zeros has no neighbour.
        item_vectors: (t, d).
        threshold: smallest cosine.

    Raises:
        ValueError: not two-dimensional, or of different dimensions.
    """
    _require(row_vectors, item_vectors)
    best = _best_cosine(row_vectors, item_vectors)
    candidates = np.flatnonzero(best >= threshold - REACH)
    items, cosine = _exactly(row_vectors, item_vectors, candidates)
    kept = cosine >= np.float32(threshold)
    return Neighbours(candidates[kept], items[kept], cosine[kept])


def calibrate_threshold(
    item_vectors: np.ndarray, background_vectors: np.ndarray, false_positive_rate: float
) -> Calibration:
    """Set the cosine at which a stated share of clean rows would be taken for contaminated.

    The threshold is the smallest float32 above the background's nearest-item cosines, all but the largest
    floor(rate * m) of them.

    Args:
        item_vectors: (t, d).
        background_vectors: (m, d) rows of the same kind as those to be tested, known to be clean; at least the rows
            that the tiers exact and ngram report must be left out, else the threshold comes out too high.
        false_positive_rate: in [0, 1).

    Raises:
        ValueError: the rate is outside [0, 1), or the background has no row with a direction.
    """
    if not 0 <= false_positive_rate < 1:
        raise ValueError(f"false_positive_rate must be in [0, 1), got {false_positive_rate}")
    _require(background_vectors, item_vectors)
    _, cosine = _exactly(background_vectors, item_vectors, np.arange(len(background_vectors)))
    cosine = np.sort(cosine[~np.isnan(cosine)])[::-1]
    if not len(cosine):
        raise ValueError("the background has no row with a direction; give rows with vectors that are not zero")
    allowed = int(np.floor(false_positive_rate * len(cosine) + 1e-9))
    threshold = np.nextafter(cosine[allowed], np.float32(np.inf))
    return Calibration(float(threshold), float((cosine >= threshold).mean()), len(cosine))


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


def _best_cosine(rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(m,) float32, about right; NaN where a row has no direction."""
    targets = np.nan_to_num(_unit(items, np.float32), nan=0.0)
    best = np.full(len(rows), -np.inf, np.float32)
    for block in _blocks(len(rows), ROWS):
        queries = _unit(rows[block], np.float32)
        for part in _blocks(len(items), ITEMS):
            np.maximum(best[block], (queries @ targets[part].T).max(axis=1), out=best[block])
    return best


def _exactly(rows: np.ndarray, items: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest item and cosine (float64 rounded to float32) of the rows ``wanted``; NaN where there is no direction."""
    nearest = np.zeros(len(wanted), np.int64)
    cosine = np.full(len(wanted), np.nan, np.float32)
    for block in _blocks(len(wanted), ROWS // 2):
        queries = _unit(rows[wanted[block]], np.float64)
        best = np.full(len(queries), -np.inf, np.float32)
        for part in _blocks(len(items), ITEMS):
            targets = np.nan_to_num(_unit(items[part], np.float64), nan=0.0)
            products = (queries @ targets.T).astype(np.float32)
            index = products.argmax(axis=1)
            value = products[np.arange(len(queries)), index]
            closer = value > best
            best[closer] = value[closer]
            nearest[block][closer] = index[closer] + part.start
        cosine[block] = np.where(np.isnan(queries[:, 0]), np.nan, best)
    return nearest, cosine
