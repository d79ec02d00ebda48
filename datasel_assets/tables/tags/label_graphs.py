"""The table of a label graph: which labels of a vocabulary resemble each other, and the vectors that say so.

Does not belong here: the labels (``vocabulary``), who is whose neighbour (``corpus.label_graph``).
"""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus.label_graph import graph_figures, label_graph, least_similarity, one_sided_edges
from datasel_assets.corpus.vocabulary import label_counts
from datasel_assets.diagnostics import plots
from datasel_assets.specs.tags import GraphSpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.vectors import vector_array, vectors_of
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.tags.vocabulary import TAG_VOCABULARY
from datasel_assets.tables.vectors.embeddings import encoder_fingerprint, layer_column, load_encoder
from datasel_assets.tables.warehouse import Warehouse

VECTORS = "_label_vectors"
LABEL_GRAPH = Kind("label_graph", state=(f"{VECTORS}/{{name}}.parquet",))

SHOWN = 20
ROUNDING = 1e-6


def label_graph_table(name: str, spec: GraphSpec) -> Table:
    """Return the table of the graph of the labels of one file in ``tags/``."""
    code = digest([LABEL_GRAPH.version, spec.encoder.identity(), spec.threshold])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([code, encoder_fingerprint(warehouse, spec.encoder)])
        labels = warehouse.lake.version((TAG_VOCABULARY.name, name))
        return Expected((LABEL_GRAPH.name, name), fingerprint, {"labels": labels})

    def build(step: Step) -> Built:
        labels = label_counts(step.warehouse.lake.scan((TAG_VOCABULARY.name, name)).collect())
        vectors, encoded = label_vectors(step.warehouse, name, spec, labels["label"])
        graph = label_graph(labels["label"], labels["rows"], vectors, spec.threshold)
        info = step.warehouse.lake.write(step.expected, graph)
        return Built(
            info,
            encoded,
            graph.height - encoded,
            metadata=_facts(graph, spec.threshold) | {"vocabulary": table_link(TAG_VOCABULARY.name, name)},
            checks=_checks(graph, spec.threshold),
        )

    return Table(
        kind=LABEL_GRAPH,
        key=(LABEL_GRAPH.name, name),
        description=(
            f"Labels whose vectors by `{spec.encoder.model}` have a cosine of at least {spec.threshold:g}: along these "
            "edges information travels in MIG. Only labels that are new are encoded."
        ),
        group="clusters_tags",
        reads=[(TAG_VOCABULARY.name, name)],
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
        lineage={
            column: [((TAG_VOCABULARY.name, name), "label")] for column in ("label", "neighbours", "similarities")
        },
    )


def label_vectors(warehouse: Warehouse, name: str, spec: GraphSpec, labels: pl.Series) -> tuple[np.ndarray, int]:
    """Return the vectors of labels and how many had to be encoded.

    They are kept in a hidden table beside the graph, by label: the next vocabulary has most of these labels again. Its
    rows are those of no other table, so it is brought up to date here and is no row table.

    Args:
        warehouse: where they are kept.
        name: file in ``tags/``.
        spec: the encoder, of which the last of its layers counts.
        labels: (m,) distinct strings.

    Returns:
        (m, d) float16, in the order of ``labels``, and how many are new.
    """
    layer = warehouse.shape(spec.encoder).layers(spec.encoder)[-1]
    column, key = layer_column(layer), (VECTORS, name)
    expected = Expected(key, digest([encoder_fingerprint(warehouse, spec.encoder), layer]))
    info = warehouse.lake.info(key)
    vectors = np.zeros((len(labels), warehouse.shape(spec.encoder).width), np.float16)
    is_new = np.ones(len(labels), bool)
    if info and info.fingerprint == expected.fingerprint:
        place = labels.to_frame("row_id").with_row_index("place").lazy()
        known = warehouse.lake.scan(key).join(place, on="row_id").collect()
        rows = known["place"].to_numpy()
        vectors[rows] = vectors_of(known[column], np.float16)
        is_new[rows] = False
    if is_new.any():
        only = spec.encoder.model_copy(update={"layers": (layer,)})
        encoder = load_encoder(warehouse, only.model_dump(mode="json"))
        texts = [[{"role": "user", "content": label}] for label in labels.filter(pl.Series(is_new))]
        vectors[is_new] = encoder.encode(texts, dtype=np.float16).layers[layer]
    ids = ids_digest(labels)
    table = pa.table({"row_id": pa.array(labels.to_list(), pa.string()), column: vector_array(vectors)})
    warehouse.lake.write(expected, table, data_version=digest([ids, expected.fingerprint]), meta={"ids": ids})
    return vectors, int(is_new.sum())


def _facts(graph: pl.DataFrame, threshold: float) -> dict[str, Any]:
    shown = graph.sort(["degree", "label"], descending=[True, False]).head(SHOWN)
    shown = shown.with_columns(pl.col("neighbours").list.head(6).list.join(", "))
    png = plots.label_neighbourhoods(
        graph["label"].to_list(),
        graph["rows"].to_numpy(),
        graph["neighbours"].to_list(),
        graph["similarities"].to_list(),
        threshold,
    )
    return {
        "threshold": threshold,
        **graph_figures(graph),
        "plot: neighbourhoods": picture(png, "labels and their neighbours"),
        "most_connected": sample_table(shown, ["label", "rows", "degree", "neighbours"], rows=SHOWN),
    }


def _checks(graph: pl.DataFrame, threshold: float) -> dict[str, Check]:
    alone, least = one_sided_edges(graph), least_similarity(graph)
    return {
        "symmetric": Check(alone == 0, {"one_sided": alone}),
        "similar_enough": Check(least >= threshold - ROUNDING, {"least": least}),
    }
