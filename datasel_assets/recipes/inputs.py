"""What samplers read beside the pool's light columns, and the candidates made from it.

Belongs here: the interface through which a recipe asks for vectors, queries, tags and texts, and how a sampler's YAML
keys become ``Candidates``. Does not: reading tables (``tables.pool``), choosing rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from datasel_assets.arrays.vectors import BLOCK_ROWS, Vectors, directed, squared_norms
from datasel_assets.recipes.scores import to_maximise
from datasel_assets.samplers import Candidates, Tags
from datasel_assets.specs.recipe import CLUSTER_DISTANCE, OWN_GROUPS, SelectSpec


@dataclass(frozen=True, eq=False)
class Queries:
    """The queries of a target in one representation.

    Attributes:
        vectors: (t, dim).
        tasks: (t,) the task of each query, or None.
        labels: (t,) names for the ledger; ``query 0``, ``query 1``, ... when not given.
    """

    vectors: np.ndarray
    tasks: Sequence[Any] | None = None
    labels: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The labels, made up where none were given."""
        return list(self.labels) or [f"query {i}" for i in range(len(self.vectors))]


class Inputs(Protocol):
    """Where a recipe's inputs come from; everything is aligned with the rows of the pool and read when asked for."""

    def vectors(self, representation: str) -> tuple[Vectors, np.ndarray]:
        """Return the vectors (n rows) and (n,) bool: the row has none, or one of zeros."""
        ...

    def queries(self, representation: str, target: str) -> Queries:
        """Return the target's queries."""
        ...

    def tags(self, name: str) -> Tags:
        """Return the tags of the n rows."""
        ...

    def label_graph(self, name: str) -> csr_array:
        """Return the similarity of the labels."""
        ...

    def texts(self) -> np.ndarray:
        """Return (n,) strings: prompt and response of each row."""
        ...


@dataclass(frozen=True, eq=False)
class GivenInputs:
    """Inputs that are at hand already: for callers without a warehouse.

    Attributes:
        by_representation: representation -> vectors of the n rows.
        by_target: target -> its queries.
        by_tags: name -> tags of the n rows.
        graphs: name -> label graph.
        all_texts: (n,) strings.
    """

    by_representation: Mapping[str, Vectors] = field(default_factory=dict)
    by_target: Mapping[str, Queries] = field(default_factory=dict)
    by_tags: Mapping[str, Tags] = field(default_factory=dict)
    graphs: Mapping[str, csr_array] = field(default_factory=dict)
    all_texts: np.ndarray | None = None

    def vectors(self, representation: str) -> tuple[Vectors, np.ndarray]:
        """Return the vectors, and which of them have no direction."""
        found = _given(self.by_representation, representation, "vectors")
        missing = np.ones(found.n, dtype=bool)
        for rows, block in found.blocks(BLOCK_ROWS):
            missing[rows] = ~directed(squared_norms(block))
        return found, missing

    def queries(self, representation: str, target: str) -> Queries:
        """Return the target's queries, whatever the representation."""
        return _given(self.by_target, target, "queries")

    def tags(self, name: str) -> Tags:
        """Return the tags."""
        return _given(self.by_tags, name, "tags")

    def label_graph(self, name: str) -> csr_array:
        """Return the label graph."""
        return _given(self.graphs, name, "label graph")

    def texts(self) -> np.ndarray:
        """Return the texts."""
        if self.all_texts is None:
            raise ValueError("the recipe reads texts, but no texts were given")
        return self.all_texts


def category_column(name: str) -> str:
    """Return the column of the pool that holds the categories of ``categories/<name>.yaml``."""
    return f"category.{name}"


def told_column(score: str) -> str:
    """Return the column of the pool that says in words what a score rests on, where the score has such words."""
    return f"{score}.told"


def missing_inputs(select: SelectSpec, pool: pl.DataFrame, inputs: Inputs) -> list[tuple[np.ndarray, str | pl.Series]]:
    """Return a mask (n,) and a reason in words, or one for each row, for each input of a sampler that rows lack."""
    found: list[tuple[np.ndarray, str | pl.Series]] = []
    if select.representation is not None:
        lacks = inputs.vectors(select.representation)[1]
        found.append((lacks, f"no vector in {select.representation}, or one of zeros: nothing to compare"))
    # Of clusters that are still to be made nothing is missing but vectors.
    if select.groups == "cluster" and select.recluster is None:
        found.append((_column(pool, "cluster").is_null().to_numpy(), "it belongs to no cluster"))
    elif select.groups is not None and select.groups not in OWN_GROUPS:
        lacks = _column(pool, category_column(select.groups)).is_null().to_numpy()
        found.append((lacks, f"it has no category in {select.groups}"))
    if select.tags is not None:
        found.append((inputs.tags(select.tags).counts == 0, f"it has no tags in {select.tags}"))
    if select.score not in (None, CLUSTER_DISTANCE) and "scores" in select.reads:
        scores = _column(pool, select.score)
        if pool.height and scores.null_count() == pool.height:
            advice = "" if "." in select.score else ": count tokens, or choose by response_chars"
            raise ValueError(f"{select.score} is not known for any row of the pool{advice}")
        words = told_column(select.score)
        why = f"{select.score}: " + pool[words] if words in pool.columns else f"{select.score} is not known"
        found.append((scores.is_null().to_numpy(), why))
    return found


def candidates_of(
    select: SelectSpec,
    pool: pl.DataFrame,
    eligible: np.ndarray,
    inputs: Inputs,
    keep: Mapping[str, str],
    costs: np.ndarray | None = None,
) -> tuple[Candidates, list[str]]:
    """Return what the sampler of a stage is given, and the names of its queries.

    Args:
        select: the sampler with its inputs.
        pool: as in ``interpreter.run_recipe``.
        eligible: (n,) bool.
        inputs: where vectors, queries, tags and texts come from.
        keep: score -> ``high``, ``low`` or ``mid``.
        costs: (n,) tokens of each row where the budget is in tokens.
    """
    queries = None
    if select.representation is not None and select.target is not None:
        queries = inputs.queries(select.representation, select.target)
    tasks = None if queries is None or queries.tasks is None else np.asarray(queries.tasks)
    candidates = Candidates(
        row_ids=pool["row_id"].to_numpy().astype(np.str_),
        eligible=eligible,
        scores=to_maximise(select, pool, keep),
        groups=_groups(select, pool),
        vectors=inputs.vectors(select.representation)[0] if select.representation else None,
        queries=None if queries is None else queries.vectors,
        query_tasks=tasks,
        tags=inputs.tags(select.tags) if select.tags else None,
        label_graph=inputs.label_graph(select.tags) if select.tags and "label_graph" in select.reads else None,
        texts=inputs.texts() if "texts" in select.reads else None,
        costs=costs,
    )
    _ = candidates.ties  # refuses repeated row ids before anything is computed
    return candidates, [] if queries is None else queries.names


def _groups(select: SelectSpec, pool: pl.DataFrame) -> np.ndarray | None:
    if select.groups is None:
        return None
    if select.groups == "source":
        return pool["source"].to_numpy().astype(np.str_)
    if select.groups == "cluster":
        return _column(pool, "cluster").fill_null(-1).to_numpy()  # rows without a cluster are not eligible
    return _column(pool, category_column(select.groups)).fill_null("").to_numpy().astype(np.str_)


def _column(pool: pl.DataFrame, name: str) -> pl.Series:
    if name not in pool.columns:
        raise ValueError(f"the sampler needs the column {name!r}, which the pool lacks (it has {_names(pool.columns)})")
    return pool[name]


def _given(found: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in found:
        raise ValueError(
            f"the recipe reads {name!r}, but no {what} of that name were given (there are {_names(found)})"
        )
    return found[name]


def _names(names: Any) -> str:
    return ", ".join(names) or "none"
