"""Counts of the words of a pool that stand until its words have drifted, so that scores of old rows stay.

Belongs here: which sources are counted anew, and when the pool is. Does not: the counts themselves and the scores made
of them (``frequency``), how far two counts are apart (the caller says), where counts and texts lie.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datasel_assets.indicators.text import frequency as maths

DRIFT = 0.02
"""Divergence, in bits, from which on words are counted anew: a pool of 52,000 Alpaca rows reaches it when a quarter of
its words have become those of grade-school maths."""


@dataclass(frozen=True, eq=False)
class FrozenCounts:
    """Counts of the pool and of each source, and which rows they were taken over.

    About 100 bytes for each distinct word of each source. A retired source leaves ``whole`` with the next count.

    Attributes:
        sources: source -> its counts, with the columns of ``frequency.COUNTED``.
        counted: source -> digest of the rows that these are of.
        whole: counts of the pool, the sum over all sources at one time.
        pool: source -> digest of the rows that ``whole`` is of; empty before the first count.
    """

    sources: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    counted: Mapping[str, str] = field(default_factory=dict)
    whole: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=maths.COUNTED))
    pool: Mapping[str, str] = field(default_factory=dict)

    def table(self) -> pl.DataFrame:
        """Return all counts as one table; those of the pool have no source."""
        pieces: list[tuple[str | None, pl.DataFrame]] = [(None, self.whole), *sorted(self.sources.items())]
        return pl.concat(part.select(pl.lit(name, pl.String).alias("source"), *maths.COUNTED) for name, part in pieces)

    def bands(self) -> dict[str, maths.Band]:
        """Return the middle lengths of each side and the middle frequencies of the pool."""
        lengths = {f"{part}_length": band for part, band in maths.length_bands(self.whole).items()}
        return {**lengths, "frequency": maths.frequency_band(maths.words_of(self.whole))}

    def source_bands(self) -> dict[str, maths.Band]:
        """Return the middle frequencies of each source."""
        return {name: maths.frequency_band(maths.words_of(part)) for name, part in sorted(self.sources.items())}


@dataclass(frozen=True, eq=False)
class Refreshed:
    """Counts brought up to date.

    Attributes:
        counts: those that stand now.
        drifts: source -> how far it had moved from its counts, in bits; "" for the pool. Only what was measured.
        recounted: sources that were counted in full.
    """

    counts: FrozenCounts
    drifts: Mapping[str, float]
    recounted: list[str]


def refreshed(
    stand: FrozenCounts,
    now: Mapping[str, str],
    count: Callable[[str], pl.DataFrame],
    sample: Callable[[str], tuple[pl.DataFrame, float]],
    divergence: Callable[[np.ndarray, np.ndarray], float],
    allowed: float = DRIFT,
) -> Refreshed:
    """Count sources that are new or have drifted, and the pool when it has.

    Args:
        stand: the counts so far.
        now: source -> digest of its rows today, of all sources of the pool.
        count: source -> counts of all its rows, with the columns of ``frequency.COUNTED``.
        sample: source -> counts of a sample of its rows, and the share of them that it is.
        divergence: bits between two vectors of counts that both have some.
        allowed: divergence up to which counts stand.
    """
    sources = {name: part for name, part in stand.sources.items() if name in now}
    counted = {name: ids for name, ids in stand.counted.items() if name in now}
    drifts: dict[str, float] = {}
    recounted: list[str] = []

    def count_anew(source: str) -> None:
        sources[source], counted[source] = count(source), now[source]
        recounted.append(source)

    before = maths.words_of(stand.whole)
    common = before.common
    today = np.zeros(len(common) + 1)
    for source, ids in now.items():
        if source not in counted:
            count_anew(source)
        estimate, share = sources[source], 1.0
        if counted[source] != ids:
            estimate, share = sample(source)
            words = maths.words_of(sources[source])
            moved = maths.words_of(estimate).on(words.common)
            drifts[source] = _bits(words.on(words.common), moved, divergence)
            if drifts[source] > allowed:
                count_anew(source)
        today += maths.words_of(estimate).on(common) / share
    if stand.pool and stand.pool != now:
        drifts[""] = _bits(before.on(common), today, divergence)
    if stand.pool and drifts.get("", 0.0) <= allowed:
        return Refreshed(FrozenCounts(sources, counted, stand.whole, stand.pool), drifts, recounted)
    for source, ids in now.items():
        if counted[source] != ids:
            count_anew(source)
    whole = maths.sum_counts(sources.values())
    return Refreshed(FrozenCounts(sources, counted, whole, dict(now)), drifts, recounted)


def _bits(before: np.ndarray, today: np.ndarray, divergence: Callable[[np.ndarray, np.ndarray], float]) -> float:
    """Return the divergence; 0 between texts without words, 1 where only one side has any."""
    if not (before.sum() and today.sum()):
        return float(before.sum() != today.sum())
    return divergence(before, today)
