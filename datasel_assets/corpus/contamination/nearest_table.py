"""Rows with their nearest item as a table, and how tables of several comparisons become one.

Not here: finding the nearest item (``neighbours``), which rows and items are new (``tables``).
"""

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination.neighbours import nearest_items

NEAREST_SCHEMA = {"row_id": pl.String, "item_id": pl.String, "cosine": pl.Float32}


def nearest_table(rows: pl.Series, vectors: np.ndarray, ids: np.ndarray, items: np.ndarray) -> pl.DataFrame:
    """Return the nearest item of each row; null where the row has no direction.

    Args:
        rows: m ids.
        vectors: (m, d), zero where a row has no direction.
        ids: (t,) ids of the items.
        items: (t, d), at least one.

    Returns:
        Columns of NEAREST_SCHEMA, one line per row in any order.
    """
    found = nearest_items(vectors, items)
    near = pl.DataFrame(
        {"row_id": rows.gather(found.rows), "item_id": ids[found.items].tolist(), "cosine": found.cosine},
        schema=NEAREST_SCHEMA,
    )
    every = pl.DataFrame({"row_id": rows, "item_id": None, "cosine": None}, schema=NEAREST_SCHEMA)
    return pl.concat([near, every.join(near, on="row_id", how="anti")])


def nearest_of_each(found: pl.DataFrame) -> pl.DataFrame:
    """Return the nearest of the lines of each row, sorted by row; of equally near items the first by id."""
    ordered = found.sort("row_id", -pl.col("cosine"), "item_id", nulls_last=True)
    return ordered.unique("row_id", keep="first", maintain_order=True)
