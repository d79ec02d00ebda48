"""Assets that group the pool: one fitted model per clustered representation, one assignment table per source."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets import clusters as maths
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import Update, plan_increment, publish_increment
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.pool import read_pool, read_vectors, vector_block
from datasel_assets.tables.shown import counts_table, picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

FIT_ROWS = 200_000
"""Centroids of at most this many rows (a hash sample); more rows move them by less than the seed does."""

TITLE_ROWS = 20_000
PICTURE_ROWS = 3_000

SCHEMA = pa.schema([("row_id", pa.string()), ("cluster", pa.int32()), ("distance", pa.float32())])


def cluster_assets(name: str, spec: RepresentationSpec) -> list[Table]:
    """Return the model and the assignment of a representation with a ``clusters`` block."""
    return [_model(name, spec), _assignment(name, spec)]


def cluster_titles(warehouse: Warehouse, name: str) -> list[str]:
    """Return the readable title of each cluster."""
    return warehouse.lake.require(("cluster_models", name)).meta["titles"]


def centroid_distances(warehouse: Warehouse, name: str, pool: pl.DataFrame) -> np.ndarray:
    """Return the cosine distance of each row of ``pool`` to its centroid, float64 (n,), NaN where it has no cluster."""
    frames = [
        warehouse.lake.scan(("clusters", name, source)).select("row_id", "distance")
        for source in warehouse.active_sources()
    ]
    found = pool.select("row_id").join(pl.concat(frames).collect(), on="row_id", how="left", maintain_order="left")
    return found["distance"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _fingerprint(spec: RepresentationSpec) -> str:
    assert spec.clusters is not None
    return digest([versions.CLUSTERS, spec.clusters.model_dump(), FIT_ROWS])


def _model(name: str, spec: RepresentationSpec) -> Table:
    assert spec.clusters is not None
    clusters = spec.clusters

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return Expected(("cluster_models", name), _fingerprint(spec), warehouse.versions("representations", name))

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = read_pool(warehouse)
        vectors = read_vectors(warehouse, name, pool)
        rows = np.flatnonzero(~vectors.missing)
        sample = rows[hash_sample(pool["row_id"].to_numpy()[rows], FIT_ROWS, clusters.seed)]
        points = vectors.vectors.take(sample)
        k = None if clusters.k == "auto" else clusters.k
        model = maths.fit_clusters(points, maths.auto_k(len(rows)) if k is None else k, clusters.seed)
        labels, _ = maths.assign(model, points)
        titles = _titles(warehouse, pool, sample, labels, model.k)
        sizes = np.bincount(labels, minlength=model.k)
        meta = {"titles": titles, "k": model.k, "inertia": float(model.inertia), "rows": len(sample)}
        info = warehouse.lake.write_arrays(step.expected, model.to_arrays(), meta=meta)
        order = np.argsort(-sizes)
        shown = _spread(len(sample), PICTURE_ROWS)
        png = plots.cluster_map(points[shown], labels[shown], model.centroids, titles, sizes)
        return Built(
            info,
            len(sample),
            metadata={
                "clusters": model.k,
                "warnings": "; ".join(model.info["warnings"]) or "none",
                "inertia": float(model.inertia),
                "largest_share": float(sizes.max() / max(sizes.sum(), 1)),
                "plot: map": picture(png, f"clusters of {name}"),
                "plot: sizes": picture(plots.cluster_sizes(sizes, titles), "cluster sizes"),
                "titles": counts_table({titles[i]: int(sizes[i]) for i in order[:30]}, "cluster", "rows in the sample"),
            },
            checks={"no_empty_cluster": Check(bool((sizes > 0).all()), {"empty": int((sizes == 0).sum())})},
            rows_total=len(sample),
        )

    return Table(
        key=("cluster_models", name),
        description=(
            f"Spherical k-means (faiss, seeded) over the vectors of `{name}`, fitted on a hash sample of the whole "
            "pool; each cluster has a title from its most telling words."
        ),
        group="cluster_models",
        reads=[("representations", name), ("duplicates",)],
        expect=expect,
        build=build,
        checks={"no_empty_cluster": "every cluster holds at least one row of the sample"},
        kinds=frozenset({"safetensors", "faiss"}),
        version=_fingerprint(spec),
    )


def _assignment(name: str, spec: RepresentationSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        model = warehouse.lake.version(("cluster_models", name))
        table = warehouse.lake.info(("representations", name, str(source)))
        rows = table.meta["ids"] if table else "missing"
        fingerprint = digest([_fingerprint(spec), model, table.fingerprint if table else ""])
        return Expected(("clusters", name, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        model = maths.ClusterModel.from_arrays(lake.read_arrays(("cluster_models", name)))
        key = ("representations", name, str(step.source))
        ids = lake.scan(key).select("row_id").collect()["row_id"].to_list()
        increment = plan_increment(lake, step.expected, ids)
        new = set(increment.new)

        def pieces() -> Iterator[pa.Table]:
            for batch in lake.read_batches(key, ["row_id", "vector", "is_zero"]) if new else ():
                rows = batch.column("row_id").to_pylist()
                keep = np.fromiter((row in new for row in rows), bool, len(rows))
                labels, distance = maths.assign(model, vector_block(batch.column("vector"))[keep])
                zero = batch.column("is_zero").to_numpy(zero_copy_only=False)[keep]
                picked = [row for row, kept in zip(rows, keep, strict=True) if kept]
                yield pa.table(
                    [
                        pa.array(picked),
                        pa.array(labels, pa.int32(), mask=zero),
                        pa.array(distance, pa.float32(), mask=zero),
                    ],
                    schema=SCHEMA,
                )

        info = publish_increment(lake, step.expected, ids, increment, pieces(), schema=SCHEMA, meta={})
        found = lake.scan(step.expected.key)
        counts = found.group_by("cluster").len().sort("len", descending=True).collect()
        titles = cluster_titles(step.warehouse, name)
        top = {titles[c]: n for c, n in counts.drop_nulls().head(15).iter_rows()}
        return Built.of(
            Update(info, increment),
            {
                "clusters_used": counts.drop_nulls().height,
                "mean_distance": float(found.select(pl.col("distance").mean()).collect().item() or 0.0),
                "largest": counts_table(top, "cluster", "rows"),
                "model": table_link("cluster_models", name),
            },
            {"covers_corpus": Check(info.rows == len(ids), {"rows": len(ids)})},
        )

    return Table(
        key=("clusters", name),
        description=f"Cluster and cosine distance to its centroid for every row, by the vectors of `{name}`.",
        group="clusters",
        reads=[("representations", name), ("cluster_models", name)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one assignment for every vector"},
        per="source",
        kinds=frozenset({"parquet", "faiss"}),
        version=_fingerprint(spec),
    )


def _titles(warehouse: Warehouse, pool: pl.DataFrame, rows: np.ndarray, labels: np.ndarray, k: int) -> list[str]:
    """Title the clusters from the prompts of a bounded sample."""
    picked = _spread(len(rows), TITLE_ROWS)
    wanted = pool[rows[picked]].select("row_id").with_row_index("slot")
    texts = pl.concat(
        warehouse.lake.scan(("corpus", source))
        .select("row_id", pl.when(pl.col("prompt") == "").then("response").otherwise("prompt").alias("text"))
        .join(wanted.lazy(), on="row_id")
        for source in warehouse.active_sources()
    ).collect()
    texts = texts.sort("slot")
    chosen = labels[picked][texts["slot"].to_numpy()]
    return maths.titles(chosen, texts["text"].to_list(), k=k)


def _spread(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` evenly spread positions of ``range(n)``."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
