"""The figures of many subsets of one pool, each measured once.

Belongs here: what all figures are made from, and which of them are known already. Does not belong here: any formula
(``subset``, ``aims``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datasel_assets.arrays.vectors import Vectors
from datasel_assets.diagnostics.aims import QUALITY, known_mean
from datasel_assets.diagnostics.subset import subset_diagnostics
from datasel_assets.samplers.candidates import Tags

Figures = Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class PoolFacts:
    """What the figures of every subset of one pool are made from.

    Attributes:
        row_ids: (n,) distinct ids.
        sources: (n,) names.
        texts: (n,) strings.
        vectors: n rows; None where no rows are compared by vectors: then there are no figures of ``subset``.
        clusters: int (n,), negative = none; None where nothing is clustered.
        tags: of the n rows, or None.
        quality: (n,) percentile ranks, NaN = unknown, or None.
        near: name of a measure -> (n,) largest cosine to an example of a target, NaN = unknown.
    """

    row_ids: np.ndarray
    sources: np.ndarray
    texts: np.ndarray
    vectors: Vectors | None = None
    clusters: np.ndarray | None = None
    tags: Tags | None = None
    quality: np.ndarray | None = None
    near: Mapping[str, np.ndarray] = field(default_factory=dict)

    def figures(self, rows: np.ndarray) -> dict[str, float]:
        """Return the figures of the rows (b,) of the pool; those whose input is not there are left out."""
        found: dict[str, float] = {}
        if self.vectors is not None:
            found = subset_diagnostics(
                self.row_ids,
                self.vectors,
                rows,
                clusters=self.clusters,
                sources=self.sources,
                tags=self.tags,
                texts=self.texts[rows],
            )
        if self.quality is not None:
            found[QUALITY.name] = known_mean(self.quality[rows])
        return found | {name: known_mean(values[rows]) for name, values in self.near.items()}


@dataclass(frozen=True, eq=False)
class Measured:
    """The figures of some subsets.

    Attributes:
        table: a column ``recipe``, one per measure (null where it is not known), and ``basis``: what they were made
            from.
        computed: the subsets that were measured anew.
    """

    table: pl.DataFrame
    computed: tuple[str, ...]


def measured(
    row_ids: np.ndarray,
    chosen: Mapping[str, np.ndarray],
    figures: Callable[[np.ndarray], Figures],
    measures: Sequence[str],
    *,
    basis: Mapping[str, str] | None = None,
    known: Mapping[str, Figures] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Return the figures of every subset; what is made from the same is measured once, and not at all if it is known.

    Args:
        row_ids: (n,) ids of the pool, sorted.
        chosen: name of a subset -> its row ids, all of the pool.
        figures: measures the rows at positions (b,); called only where something is to be measured.
        measures: the columns of the result.
        basis: name -> what its figures are made from; without it every subset is measured.
        known: basis -> figures, from an earlier time.
        progress: gets the subsets measured and to be measured.
    """
    basis = basis or {name: name for name in chosen}
    made: dict[str, Figures] = {value: found for value, found in (known or {}).items() if value in basis.values()}
    wanted = {basis[name]: name for name in reversed(list(chosen)) if basis[name] not in made}
    ids = np.asarray(row_ids).astype(np.str_)
    for done, (value, name) in enumerate(wanted.items(), start=1):
        rows = np.searchsorted(ids, np.sort(chosen[name].astype(np.str_)))
        made[value] = dict.fromkeys(measures) | dict(figures(rows))
        progress(done, len(wanted))
    lines = [{"recipe": name, **made[basis[name]], "basis": basis[name]} for name in chosen]
    schema = {"recipe": pl.String, **dict.fromkeys(measures, pl.Float64), "basis": pl.String}
    table = pl.DataFrame(lines, schema=schema).with_columns(pl.col(measures).fill_nan(None))
    return Measured(table, tuple(name for name in chosen if basis[name] in wanted))
