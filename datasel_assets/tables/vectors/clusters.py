"""Tables that group the pool: one fitted model per clustered representation, one assignment table per source."""

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets import clusters as maths
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import counts_table, picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

CLUSTER_MODELS = Kind("cluster_models")
CLUSTERS = Kind("clusters", per="source")

TITLE_ROWS = 20_000
PICTURE_ROWS = 3_000

SCHEMA = pa.schema([("row_id", pa.string()), ("cluster", pa.int32()), ("distance", pa.float32())])


def cluster_tables(name: str, spec: RepresentationSpec) -> list[Table]:
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
    return digest([CLUSTERS.version, spec.clusters.model_dump(), maths.FIT_ROWS])


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
        sample = rows[hash_sample(pool["row_id"].to_numpy()[rows], maths.FIT_ROWS, clusters.seed)]
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
        kind=CLUSTER_MODELS,
        key=(CLUSTER_MODELS.name, name),
        description=(
            f"Spherical k-means (faiss, seeded) over the vectors of `{name}`, fitted on a hash sample of the whole "
            "pool; each cluster has a title from its most telling words."
        ),
        group="clusters_tags",
        reads=[("representations", name), ("duplicates",)],
        expect=expect,
        build=build,
        checks={"no_empty_cluster": "every cluster holds at least one row of the sample"},
        kinds=frozenset({"safetensors", "faiss"}),
        version=_fingerprint(spec),
    )


def _assignment(name: str, spec: RepresentationSpec) -> Table:
    return RowTable(
        rows_of=("representations", name),
        wants=partial(_wants, name, spec),
        work=partial(_work, name),
        compute=assign,
        load=load_model,
        facts=partial(_facts, name),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=CLUSTERS,
        key=(CLUSTERS.name, name),
        description=f"Cluster and cosine distance to its centroid for every row, by the vectors of `{name}`.",
        group="clusters_tags",
        reads=[("representations", name), (CLUSTER_MODELS.name, name)],
        checks={"covers_corpus": "one assignment for every vector"},
        kinds=frozenset({"parquet", "faiss"}),
        version=_fingerprint(spec),
    )


def _wants(name: str, spec: RepresentationSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    model = warehouse.lake.version((CLUSTER_MODELS.name, name))
    table = warehouse.lake.info(("representations", name, str(source)))
    return Wanted(digest([_fingerprint(spec), model, table.fingerprint if table else ""]))


def _work(name: str, step: Step) -> Work:
    model = step.warehouse.lake.require((CLUSTER_MODELS.name, name))
    return Work(SCHEMA, ["vector", "is_zero"], {"name": name, "version": model.data_version})


def load_model(warehouse: Warehouse, name: str, version: str) -> maths.ClusterModel:
    """Load the centroids; ``version`` only says which they were."""
    return maths.ClusterModel.from_arrays(warehouse.lake.read_arrays((CLUSTER_MODELS.name, name)))


def assign(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the cluster of each row and the distance to its centroid; null for a row without a direction."""
    labels, distance = maths.assign(context.loaded, vectors_of(rows["vector"]))
    zero = rows["is_zero"].fill_null(True).to_numpy()
    found = {
        "row_id": rows["row_id"].to_arrow(),
        "cluster": pa.array(labels, pa.int32(), mask=zero),
        "distance": pa.array(distance, pa.float32(), mask=zero),
    }
    return pa.table({column: found[column] for column in ("row_id", *context.columns)})


def _facts(name: str, step: Step, update: Update) -> dict[str, Any]:
    found = step.warehouse.lake.scan(step.expected.key)
    counts = found.group_by("cluster").len().sort("len", descending=True).collect()
    titles = cluster_titles(step.warehouse, name)
    top = {titles[c]: n for c, n in counts.drop_nulls().head(15).iter_rows()}
    return {
        "clusters_used": counts.drop_nulls().height,
        "mean_distance": float(found.select(pl.col("distance").mean()).collect().item() or 0.0),
        "largest": counts_table(top, "cluster", "rows"),
        "model": table_link(CLUSTER_MODELS.name, name),
    }


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
