"""The asset of a label graph: which labels of a vocabulary resemble each other. Not here: the labels (``tags``)."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus.label_graph import label_graph
from datasel_assets.diagnostics import plots
from datasel_assets.specs.tags import GraphSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables import versions
from datasel_assets.tables.pool import vector_array, vector_block, vector_type
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.embeddings import encoder_fingerprint, layer_column, load_encoder
from datasel_assets.tables.warehouse import Warehouse

SHARD_ROWS = 16_384
SHOWN = 20
VECTORS = "_label_vectors"


def label_graph_asset(name: str, spec: GraphSpec) -> Table:
    """Return the asset of the graph of labels of one file in ``tags/``."""
    code = digest([versions.TAGS, spec.encoder.identity(), spec.threshold])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([code, encoder_fingerprint(warehouse, spec.encoder)])
        return Expected(
            ("label_graph", name), fingerprint, {"labels": warehouse.lake.version(("tag_vocabulary", name))}
        )

    def build(step: Step) -> Built:
        vocabulary = step.warehouse.lake.scan(("tag_vocabulary", name)).filter(pl.col("kind") == "label")
        labels = vocabulary.group_by("label").agg(pl.col("rows").sum()).sort("label").collect()
        vectors, encoded = _label_vectors(step, name, spec, labels["label"])
        table = label_graph(labels["label"], labels["rows"], vectors, spec.threshold)
        info = step.warehouse.lake.write(step.expected, table)
        return Built(
            info,
            encoded,
            table.height - encoded,
            metadata=_graph_facts(table, spec.threshold) | {"vocabulary": table_link("tag_vocabulary", name)},
            checks=_graph_checks(table, spec.threshold),
        )

    return Table(
        key=("label_graph", name),
        description=(
            f"Labels whose vectors by `{spec.encoder.model}` have a cosine of at least {spec.threshold:g}: along these "
            "edges information travels in MIG. Only labels that are new are encoded."
        ),
        group="tags",
        reads=[("tag_vocabulary", name)],
        expect=expect,
        build=build,
        checks={
            "symmetric": "a label is a neighbour of its neighbours, equally similar",
            "similar_enough": "every pair reaches the threshold",
        },
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=code,
        columns={
            "label": "Label; its number is its place in this table.",
            "rows": "Rows that have it, in the sample that labels were chosen on.",
            "degree": "How many neighbours it has.",
            "neighbours": "Labels above the threshold, most similar first.",
            "similarities": "Cosine of each of them.",
        },
        lineage={column: [(("tag_vocabulary", name), "label")] for column in ("label", "neighbours", "similarities")},
    )


def _label_vectors(step: Step, name: str, spec: GraphSpec, labels: pl.Series) -> tuple[np.ndarray, int]:
    """Return the vectors (m, d) of the labels and how many were encoded; those of old labels are kept."""
    warehouse = step.warehouse
    key: Key = (VECTORS, name)
    last = warehouse.shape(spec.encoder).layers(spec.encoder)[-1]
    encoder_spec = spec.encoder.model_copy(update={"layers": (last,)})
    dim = warehouse.shape(spec.encoder).width
    schema = pa.schema([("row_id", pa.string()), (layer_column(last), vector_type(dim))])
    fingerprint = digest([encoder_fingerprint(warehouse, spec.encoder), last])

    def compute(ids: list[str]) -> pa.Table:
        encoder = load_encoder(encoder_spec, warehouse.settings.device, warehouse.settings.data)
        made = encoder.encode([[{"role": "user", "content": label}] for label in ids], dtype=np.float16)
        return pa.table([pa.array(ids), vector_array(made.layers[last])], names=schema.names)

    expected = Expected(key, fingerprint)
    update = update_table(warehouse.lake, expected, labels.to_list(), compute, schema=schema, shard_rows=SHARD_ROWS)
    vectors = np.zeros((len(labels), dim), np.float32)
    place = dict(zip(labels, range(len(labels)), strict=True))
    for batch in warehouse.lake.read_batches(key, schema.names):
        vectors[[place[label] for label in batch.column(0).to_pylist()]] = vector_block(batch.column(1))
    return vectors, len(update.increment.new)


def _graph_facts(table: pl.DataFrame, threshold: float) -> dict[str, Any]:
    labels, degree = table.height, table["degree"]
    edges = int(degree.sum()) // 2
    pairs = labels * (labels - 1) / 2
    cut = {f"degree_{int(100 * q)}": float(degree.quantile(q, "nearest") or 0.0) for q in (0.5, 0.9, 0.99, 1.0)}
    shown = table.sort(["degree", "label"], descending=[True, False]).head(SHOWN)
    shown = shown.with_columns(pl.col("neighbours").list.head(6).list.join(", "))
    png = plots.label_neighbourhoods(
        table["label"].to_list(),
        table["rows"].to_numpy(),
        table["neighbours"].to_list(),
        table["similarities"].to_list(),
        threshold,
    )
    return {
        "threshold": threshold,
        "labels": labels,
        "edges": edges,
        "sparsity": float(1 - edges / pairs) if pairs else 1.0,
        "mean_degree": float(degree.mean() or 0.0),  # type: ignore[arg-type]  # of numbers
        **cut,
        "labels_without_neighbours": int((degree == 0).sum()),
        "plot: neighbourhoods": picture(png, "labels and their neighbours"),
        "most_connected": sample_table(shown, ["label", "rows", "degree", "neighbours"], rows=SHOWN),
    }


def _graph_checks(table: pl.DataFrame, threshold: float) -> dict[str, Check]:
    edges = (
        table.filter(pl.col("degree") > 0)
        .explode("neighbours", "similarities")
        .select("label", "neighbours", "similarities")
    )
    turned = edges.select(label="neighbours", neighbours="label", similarities="similarities")
    alone = edges.join(turned, on=["label", "neighbours", "similarities"], how="anti").height
    least = float(edges["similarities"].min() or 1.0)  # type: ignore[arg-type]  # of numbers
    return {
        "symmetric": Check(alone == 0, {"one_sided": alone}),
        "similar_enough": Check(least >= threshold - 1e-6, {"least": least}),
    }
