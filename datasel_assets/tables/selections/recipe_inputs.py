"""What samplers read beside the pool's light columns, from the warehouse. Does not belong here: choosing rows."""

from functools import lru_cache

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from datasel_assets.recipes.inputs import Queries
from datasel_assets.samplers import Tags, Vectors
from datasel_assets.tables.corpus.targets import query_names
from datasel_assets.tables.pool import read_vectors
from datasel_assets.tables.tags.tag_tables import read_label_graph, read_tags
from datasel_assets.tables.vectors.representations import target_vectors
from datasel_assets.tables.warehouse import Warehouse


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
