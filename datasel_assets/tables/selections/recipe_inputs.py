"""What a recipe reads, from the warehouse: the pool's columns, vectors, tags, texts, and what was selected before.

Does not belong here: choosing rows (``recipes``).
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from datasel_assets.arrays.vectors import Vectors
from datasel_assets.recipes.drop_rules import FAILED
from datasel_assets.recipes.inputs import Queries
from datasel_assets.registry.registry import Registry
from datasel_assets.samplers import Tags
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage import shards
from datasel_assets.storage.lake import Key
from datasel_assets.tables.contamination.contamination import blocked_rows
from datasel_assets.tables.corpus.targets import query_names
from datasel_assets.tables.planning import with_all_they_read
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.score_names import score_deps
from datasel_assets.tables.table import Graph
from datasel_assets.tables.tags.tag_tables import read_label_graph, read_tags
from datasel_assets.tables.vectors.representations import layers_of, target_vectors
from datasel_assets.tables.warehouse import Warehouse


def target_key(registry: Registry, representation: str, target: str) -> Key:
    """Return the key of the table that a representation takes the examples of a target from."""
    return layers_of(registry.representations[representation]).target_key(target)


def recipe_reads(spec: RecipeSpec, registry: Registry) -> list[Key]:
    """Return the keys of just the tables that a recipe reads."""
    needs = spec.requires()
    clustered = registry.clustered if needs.clusters else None
    keys: list[Key] = [("corpus",), ("duplicates",)]
    keys += [("representations", name) for name in sorted(needs.representations)]
    keys += sorted({target_key(registry, name, target) for name, target in needs.targets})
    # The examples as well as their vectors: a task that is named anew leaves the vectors as they were.
    keys += [("targets", name) for name in sorted({name for _, name in needs.targets})]
    keys += [("representation_basis", name) for name in sorted({name for name, _ in needs.targets})]
    keys += [("categories", name) for name in sorted(needs.categories)]
    for tagged in sorted(needs.tags):
        keys += [("tags", tagged), ("tag_vocabulary", tagged)]
    keys += [("label_graph", tagged) for tagged in sorted(needs.label_graphs)]
    keys += score_deps(needs.scores)
    keys += [(f"{kind}s",) for kind in needs.duplicates]
    keys += [("contamination",)] if registry.evaluations else []
    if clustered:
        keys += [("clusters", clustered), ("cluster_models", clustered)]
    return keys


def candidate_pool(warehouse: Warehouse, spec: RecipeSpec, graph: Graph) -> pl.DataFrame:
    """Return the pool with the columns that a recipe reads, as the tables stand.

    A column ``failed`` says what could not be computed for a row; it is there only where something could not.
    """
    needs, registry = spec.requires(), warehouse.registry
    pool = read_pool(
        warehouse,
        clusters=registry.clustered if needs.clusters else None,
        categories=needs.categories,
        scores=needs.scores,
        copies=needs.duplicates,
    )
    blocked = blocked_rows(warehouse) if registry.evaluations else None
    failed = failed_rows(warehouse, recipe_reads(spec, registry), graph)
    for told in (found for found in (blocked, failed) if found is not None):
        pool = pool.join(told, on="row_id", how="left", maintain_order="left")
    return pool if blocked is not None else pool.with_columns(contaminated=pl.lit(None, pl.String))


def failed_rows(warehouse: Warehouse, reads: Iterable[Key], graph: Graph) -> pl.DataFrame | None:
    """Return ``row_id`` and ``failed``: in words what could not be computed for a row; None where everything could.

    Tables further up count too: a blend is missing because one of its scores is, for example. What is made from a row
    that failed fails with it; then only the table where it began is named.

    Args:
        warehouse: is read.
        reads: keys of the tables.
        graph: knows what they are made from.
    """
    told = []
    for table in with_all_they_read(reads, graph.all_tables(warehouse.registry)):
        for source in warehouse.active_sources() if table.per_source else [None]:
            info = warehouse.lake.info(table.table_key(source))
            for file in info.files if info else []:
                if {"row_id", shards.FAILED} <= set(pq.read_schema(file).names):
                    began = pl.col(shards.FAILED).str.replace(r"^(upstream: )+", "")
                    failed = pl.scan_parquet(file, glob=False).drop_nulls(shards.FAILED)
                    told.append(failed.select("row_id", table=pl.lit(table.name), began=began).collect())
    if not told:
        return None
    first = pl.concat(told).unique(["row_id", "began"], keep="first", maintain_order=True)
    reason = pl.format("{} could not be computed: {}", "table", "began")
    return first.group_by("row_id", maintain_order=True).agg(reason.str.join("; ").alias(FAILED))


def previous_rows(warehouse: Warehouse, name: str, spec: RecipeSpec) -> list[str] | None:
    """Return the row ids, by rank, that bounded churn holds on to; None where nothing bounds it."""
    before = stored(warehouse, ("selections", name)) if spec.churn < 1 else None
    return None if before is None else before.sort("rank")["row_id"].to_list()


def stored(warehouse: Warehouse, key: Key) -> pl.DataFrame | None:
    """Return a table as it is; None where it was never made."""
    return warehouse.lake.scan(key).collect() if warehouse.lake.info(key) else None


def with_columns_of_corpus(warehouse: Warehouse, rows: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Return rows of the pool in their order with further columns of their conversations; reads no other rows."""
    wanted = pl.col("row_id").is_in(rows["row_id"].implode())
    found = [
        warehouse.lake.scan(("corpus", source)).filter(wanted).select("row_id", *columns)
        for source in warehouse.active_sources()
    ]
    return rows.join(pl.concat(found).collect(), on="row_id", how="left", maintain_order="left")


class PoolInputs:
    """``recipes.inputs.Inputs`` over the tables of a warehouse.

    The vectors of one representation are kept at a time (2 n dim bytes); those of another take their place.

    Args:
        warehouse: where the tables are.
        pool: the rows that everything is aligned with, from ``pool.read_pool``.
    """

    def __init__(self, warehouse: Warehouse, pool: pl.DataFrame) -> None:
        self.warehouse = warehouse
        self.pool = pool
        self.vectors = lru_cache(maxsize=1)(self._vectors)

    def _vectors(self, representation: str) -> tuple[Vectors, np.ndarray]:
        """Return the vectors (n rows) and (n,) bool: the row has none, or one of zeros."""
        found = read_vectors(self.warehouse, representation, self.pool)
        return found.vectors, found.missing

    def queries(self, representation: str, target: str) -> Queries:
        """Return the target's queries."""
        spec = self.warehouse.registry.representations[representation]
        ids, vectors = target_vectors(self.warehouse, representation, spec, target)
        tasks, labels = query_names(self.warehouse, target, ids)
        return Queries(vectors, tasks, labels)

    def tags(self, name: str) -> Tags:
        """Return the tags of the n rows."""
        return read_tags(self.warehouse, name, self.pool["row_id"])

    def label_graph(self, name: str) -> csr_array:
        """Return the similarity of the labels."""
        return read_label_graph(self.warehouse, name)

    def texts(self) -> np.ndarray:
        """Return (n,) strings: prompt and response of each row."""
        texts = pl.concat(
            self.warehouse.lake.scan(("corpus", source)).select(
                "row_id", text=pl.col("prompt") + pl.lit("\n\n") + pl.col("response")
            )
            for source in self.warehouse.active_sources()
        ).collect()
        found = self.pool.select("row_id").join(texts, on="row_id", how="left", maintain_order="left")["text"]
        return found.fill_null("").to_numpy()
