"""What a kind of score is that is written as files, one file one column: an object per kind.

Belongs here: what every kind says of itself, what its arithmetic gets and hands back. Does not: any kind (one file each
beside this one), which there are (``score_kinds``), the files (``registry``), the tables (``tables.scores``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from datasel_assets.indicators.base import Indicator, Keep
from datasel_assets.specs.score import ScoreSpec

NOTHING = np.empty(0)


@dataclass(frozen=True)
class Need:
    """Something of the data folder that a score is made with, beside other scores.

    Attributes:
        what: the ``example`` conversations of a target, in a representation where one is needed beside it; a file of
            ``gradients``, or its stored ``gradient_table``, and that of the target where one is needed beside it; of a
            representation each row's ``vector``, its ``cluster``, or that and its ``distance`` to the centre; each
            row's ``category`` of a file; its ``source``; a file of ``outcomes`` of the user; the trainings of a file in
            ``runs``.
        key: how the file in ``scores/`` asks for it, for messages.
        name: of the target, representation or file; None for what has no name, and for the clusters by which recipes
            are balanced.
    """

    what: Literal[
        "example",
        "gradients",
        "gradient_table",
        "vector",
        "cluster",
        "distance",
        "category",
        "source",
        "outcomes",
        "runs",
    ]
    key: str
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """What a score over the pool is computed from; n rows by row id. Empty where it was not asked for.

    Attributes:
        row_ids: (n,) str.
        sources: (n,) str.
        scores: name -> (n,) float64, NaN where it is missing.
        keep: name of a score -> which of its values are kept; without columns of the pool, which have no such sign.
        vectors: (n, d) float32, zero where a row has none.
        clusters: (n,) int64, negative where a row has none.
        categories: (n,) str, empty where a row has none.
        distance: (n,) float64, cosine distance to the centre of the cluster, NaN where a row has none.
        examples: (m, d) float32, the examples of the target in the representation.
        turns: name -> (n,) lists of float64, the values of the turns of a score; null where there are none.
        outcomes: the lines of the file of outcomes.
    """

    row_ids: np.ndarray
    sources: np.ndarray
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    vectors: np.ndarray = field(default_factory=lambda: NOTHING)
    clusters: np.ndarray = field(default_factory=lambda: NOTHING)
    categories: np.ndarray = field(default_factory=lambda: NOTHING)
    distance: np.ndarray = field(default_factory=lambda: NOTHING)
    examples: np.ndarray = field(default_factory=lambda: NOTHING)
    turns: Mapping[str, pl.Series] = field(default_factory=dict)
    outcomes: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, eq=False)
class PoolScore:
    """A score over the pool.

    Attributes:
        values: (n,) float64, NaN where it is not defined.
        columns: further columns of its table, (n,) each.
        shown: what is drawn beside it, (n,) each.
        facts: what its page shows.
    """

    values: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    shown: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ScoreKind:
    """One kind of score that is written as files.

    Attributes:
        name: its family, the first part of the name of such a score in a recipe.
        ways: the values of the key ``how`` that mean it.
        spec: what its files say.
        keep: which values are kept; None where each file says it.
        per: whether there is one table for the pool or one per source.
        indicator: what its columns hold; None where every file is an indicator of its own.
        reads: spec -> names of the scores that it is made from.
        by_turn: it is made from the values of the single turns of these scores.
        needs: spec -> what it is made from besides.
        identity: (spec, given keep signs, clusters by which recipes are balanced) -> what the values depend on besides
            the rows, as plain values: a table is made again when it changes.
        about: spec -> what the table holds.
        compute: (spec, given) -> score over the pool; None where the kind has tables of its own.
        columns: what the further columns of its table mean.
        caption: title of its picture, with ``{family}`` and ``{name}``.
        made_when_read: its tables cost so much that they are made only where a recipe reads the score.
        version: of the code of its tables; raised when what they hold changes meaning.
    """

    name: str
    ways: tuple[str, ...]
    spec: type[ScoreSpec]
    keep: Keep | None
    per: Literal["source", "pool"] = "pool"
    indicator: Indicator | None = None
    reads: Callable[[Any], Sequence[str]] = lambda spec: ()
    by_turn: bool = False
    needs: Callable[[Any], Sequence[Need]] = lambda spec: ()
    identity: Callable[[Any, Mapping[str, str], str | None], list[Any]] = lambda spec, keep, clustered: []
    about: Callable[[Any], str] = lambda spec: ""
    compute: Callable[[Any, Given], PoolScore] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    caption: str = "{family}.{name}"
    made_when_read: bool = False
    version: str = "1"

    def keep_of(self, spec: Any) -> Keep:
        """Return which values of the score of a file are kept."""
        return spec.keep if self.keep is None else self.keep
