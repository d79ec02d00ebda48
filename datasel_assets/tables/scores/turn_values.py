"""The values that a score has for the single turns of each row of the pool.

Belongs here: reading them from the tables that hold them. Does not: which scores have any (``registry.score``).
"""

import polars as pl

from datasel_assets.tables.score_names import score_key, score_tables
from datasel_assets.tables.scores.families import SCORES, TURNS
from datasel_assets.tables.warehouse import Warehouse

LISTS = pl.List(pl.Float64)


def read_turns(warehouse: Warehouse, pool: pl.DataFrame, score: str) -> pl.Series:
    """Return the values of the turns of each row of ``pool``: (n,) lists, null where a row has none.

    A row with one turn has one value, which is that of the row.
    """
    key = score_key(score)
    column = score.partition(".")[2]
    of_family = key[0] == SCORES.name
    frames = []
    for table in score_tables(warehouse, key):
        scan = warehouse.lake.scan(table)
        found = scan.select("row_id", own=pl.col(column if of_family else "score").cast(pl.Float64).fill_nan(None))
        if of_family:
            part, _, name = column.partition("_")
            lines = warehouse.lake.scan((TURNS, *table[1:])).filter(pl.col("part") == part).sort("row_id", "turn")
            turns = lines.group_by("row_id", maintain_order=True).agg(turns=pl.col(name).cast(pl.Float64))
            found = found.join(turns, on="row_id", how="left")
        else:
            found = found.join(scan.select("row_id", turns=pl.col("turns").cast(LISTS)), on="row_id", how="left")
        frames.append(found)
    alone = pl.when(pl.col("own").is_not_null()).then(pl.concat_list("own"))
    every = pl.concat(frames).select("row_id", turns=pl.coalesce("turns", alone)).collect()
    return pool.select("row_id").join(every, on="row_id", how="left", maintain_order="left")["turns"]
