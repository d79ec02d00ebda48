"""Lists of neighbours that outlive their pool: the same lists when rows have come and gone.

Belongs here: positions in an earlier pool to positions in today's. Does not: the search (``neighbours``), the table.
"""

import numpy as np
import polars as pl

from datasel_assets.arrays.nearest_neighbours import Neighbours


def carried_over(lists: pl.DataFrame, row_ids: pl.Series, recall: float) -> tuple[np.ndarray, Neighbours]:
    """Return which rows of today's pool are new, and the lists of the others by their positions in it.

    Args:
        lists: ``row_id``; ``neighbours``: k positions among the rows of ``lists`` itself, -1 where there is none;
            ``distances``: k float32, NaN where there is none.
        row_ids: ids of today's pool, distinct.
        recall: of the search that the lists are from.

    Returns:
        (n,) bool; the neighbours, as :func:`neighbours.update_neighbours` takes them: -1 with a finite distance where
        one has left.
    """
    index, distance = lists["neighbours"].to_numpy(), lists["distances"].to_numpy()
    now = lists.select("row_id").join(
        row_ids.alias("row_id").to_frame().with_row_index("now"), on="row_id", how="left", maintain_order="left"
    )["now"]
    # One place more, so that no neighbour (-1) becomes no neighbour.
    moved = np.append(now.cast(pl.Int64).fill_null(-1).to_numpy(), -1)
    here = moved[:-1]
    stays = here >= 0
    found = Neighbours(
        np.full((len(row_ids), index.shape[1]), -1, np.int64),
        np.full((len(row_ids), index.shape[1]), np.nan, np.float32),
        recall,
        0,
    )
    found.index[here[stays]] = moved[index[stays]]
    found.distance[here[stays]] = distance[stays]
    is_new = np.ones(len(row_ids), bool)
    is_new[here[stays]] = False
    return is_new, found
