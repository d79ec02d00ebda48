"""Clusters of the rows that reach a sampler, in place of those of the whole pool.

Belongs here: which rows they are made of, and the columns of the pool that say them. Does not: k-means (``clusters``),
quotas over clusters (``samplers.stratify``).
"""

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.vectors import BLOCK_ROWS, SubsetVectors
from datasel_assets.clusters import FIT_ROWS, assign, auto_k, fit_clusters
from datasel_assets.indicators.neighbours import centroid_distance
from datasel_assets.recipes.inputs import Inputs
from datasel_assets.specs.recipe import CLUSTER_DISTANCE, SelectSpec


def with_clusters(
    select: SelectSpec, pool: pl.DataFrame, eligible: np.ndarray, inputs: Inputs
) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the pool with the clusters that ``recluster`` asks for, and which rows may be chosen.

    Spherical k-means over the eligible rows that have a vector, as for the clusters of a representation. D4 (arXiv
    2308.12284) does so after it has dropped semantic duplicates: what they were many of then has no cluster, and no
    centroid, of its own any more (survey Alg 7, errata).

    Args:
        select: the sampler with its inputs.
        pool: as in ``interpreter.run_recipe``.
        eligible: (n,) bool: the rows that reach the sampler.
        inputs: where vectors come from.

    Returns:
        ``pool`` with ``cluster`` and ``cluster_distance`` (Euclidean, to the centroid of the row's cluster), null for
        rows that have none; and (n,) bool: eligible, and with a cluster. Both as they were without ``recluster``.
    """
    if select.recluster is None:
        return pool, eligible
    vectors, missing = inputs.vectors(str(select.representation))
    eligible = eligible & ~missing
    rows = np.flatnonzero(eligible)
    k, seed = select.recluster.k, select.recluster.seed
    sample = rows[hash_sample(pool["row_id"].to_numpy()[rows], FIT_ROWS, seed)]
    model = fit_clusters(vectors.take(sample), auto_k(len(rows)) if k == "auto" else k, seed)
    labels, distance = np.full(pool.height, -1, np.int32), np.full(pool.height, np.nan, np.float32)
    for at, block in SubsetVectors(vectors, rows).blocks(BLOCK_ROWS):
        labels[rows[at]], distance[rows[at]] = assign(model, block)
    none = pl.Series(~eligible)
    found = {"cluster": pl.Series(labels), CLUSTER_DISTANCE: pl.Series(centroid_distance(distance))}
    columns = {name: pl.when(none).then(None).otherwise(values) for name, values in found.items()}
    return pool.with_columns(**columns), eligible
