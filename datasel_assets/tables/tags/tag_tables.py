"""Tags and label graphs as samplers see them, read from the lake. Does not belong here: making them (``tags``)."""

from typing import TYPE_CHECKING

import polars as pl

from datasel_assets.corpus.label_graph import adjacency
from datasel_assets.corpus.vocabulary import label_names, numbered_tags
from datasel_assets.samplers.candidates import Tags
from datasel_assets.storage.lake import StaleTableError
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def read_labels(warehouse: Warehouse, name: str) -> list[str]:
    """Return the labels of ``tags/<name>.yaml``, sorted: label number i is the i-th."""
    return label_names(warehouse.lake.scan(("tag_vocabulary", name)).collect())


def read_tags(warehouse: Warehouse, name: str, row_ids: pl.Series) -> Tags:
    """Return the tags of ``row_ids`` (n,), in that order; a row that has no table yet has none. 30 bytes per tag.

    Raises:
        MissingTableError: the labels were never chosen.
        StaleTableError: a source was tagged with labels that are no longer in use.
    """
    labels, lake = read_labels(warehouse, name), warehouse.lake
    keys = [("tags", name, source) for source in warehouse.active_sources()]
    scans = [lake.scan(key).select("row_id", "tags") for key in keys if lake.info(key)]
    nothing = pl.LazyFrame(schema={"row_id": pl.String, "tags": pl.List(pl.String)})
    found = numbered_tags(pl.concat([nothing, *scans]), row_ids, labels)
    if found["label"].null_count():
        raise StaleTableError(f"tags/{name} holds tags that are no label any more: materialise tags/{name} again")
    return Tags.of_pairs(found["row"].to_numpy(), found["label"].to_numpy(), len(row_ids), len(labels))


def read_label_graph(warehouse: Warehouse, name: str) -> "csr_array":
    """Return the similarity of the labels (m, m), in the order of :func:`read_labels`, without the diagonal.

    Raises:
        MissingTableError: the graph was never made.
        StaleTableError: it belongs to other labels.
    """
    graph = warehouse.lake.scan(("label_graph", name)).collect()
    if graph["label"].to_list() != read_labels(warehouse, name):
        raise StaleTableError(f"label_graph/{name} belongs to other labels: materialise label_graph/{name} again")
    return adjacency(graph)
