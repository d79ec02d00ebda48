"""Tags and label graphs as samplers see them, read from the lake. Does not belong here: making them (``tags``)."""

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from datasel_assets.samplers.candidates import Tags
from datasel_assets.storage.lake import StaleTableError
from datasel_assets.tables.warehouse import Warehouse


def read_labels(warehouse: Warehouse, name: str) -> list[str]:
    """Return the labels of ``tags/<name>.yaml``, sorted: label number i is the i-th."""
    vocabulary = warehouse.lake.scan(("tag_vocabulary", name)).filter(pl.col("kind") == "label")
    return vocabulary.select(pl.col("label").unique().sort()).collect()["label"].to_list()


def read_tags(warehouse: Warehouse, name: str, row_ids: pl.Series) -> Tags:
    """Return the tags of ``row_ids`` (n,), in that order; a row that has no table yet has none. 30 bytes per tag.

    Raises:
        MissingTableError: the labels were never chosen.
        StaleTableError: a source was tagged with labels that are no longer in use.
    """
    labels = read_labels(warehouse, name)
    keys = [key for source in warehouse.active_sources() if warehouse.lake.info(key := ("tags", name, source))]
    rows = pl.DataFrame({"row_id": row_ids}).with_row_index("row")
    if not keys or not labels:
        return Tags(np.zeros(len(row_ids) + 1, np.int64), np.empty(0, np.int32), len(labels))
    number = pl.col("tags").replace_strict(labels, range(len(labels)), default=-1, return_dtype=pl.Int32)
    found = (
        pl.concat(warehouse.lake.scan(key).select("row_id", "tags") for key in keys)
        .explode("tags")
        .drop_nulls("tags")
        .join(rows.lazy(), on="row_id")
        .select("row", label=number)
        .unique()
        .sort("row", "label")
        .collect()
    )
    if found.height and found["label"].min() == -1:
        raise StaleTableError(f"tags/{name} holds tags that are no label any more: materialise tags/{name} again")
    counts = np.bincount(found["row"].to_numpy(), minlength=len(row_ids))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Tags(indptr, found["label"].to_numpy().astype(np.int32), len(labels))


def read_label_graph(warehouse: Warehouse, name: str) -> csr_array:
    """Return the similarity of the labels (m, m), in the order of :func:`read_labels`, without the diagonal.

    Raises:
        MissingTableError: the graph was never made.
        StaleTableError: it belongs to other labels.
    """
    labels = read_labels(warehouse, name)
    table = warehouse.lake.scan(("label_graph", name)).collect()
    if table["label"].to_list() != labels:
        raise StaleTableError(f"label_graph/{name} belongs to other labels: materialise label_graph/{name} again")
    degree = table["degree"].to_numpy()
    if not degree.sum():
        return csr_array((len(labels), len(labels)), dtype=np.float64)
    edges = table.filter(pl.col("degree") > 0).explode("neighbours", "similarities")
    to = edges["neighbours"].replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
    values = edges["similarities"].to_numpy().astype(np.float64)
    return csr_array((values, (np.repeat(np.arange(len(labels)), degree), to)), shape=(len(labels), len(labels)))
