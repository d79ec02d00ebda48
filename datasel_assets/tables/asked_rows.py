"""Which rows of the pool a file of ``answers/`` asks about, whoever answers.

Belongs here: carrying the key ``rows`` out. Does not: what is asked (``answers``), tasks of people (``labels``).
"""

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.specs.answers import AskedRows
from datasel_assets.storage.lake import Key
from datasel_assets.tables.score_names import score_column, score_deps, score_inputs, score_key, score_tables
from datasel_assets.tables.warehouse import Warehouse


def chosen_rows(rows: AskedRows, warehouse: Warehouse) -> pl.DataFrame:
    """Return ``row_id`` and ``source`` of the rows of the pool that are asked about, by row id."""
    lake = warehouse.lake
    sources = [one for one in warehouse.active_sources() if rows.sources is None or one in rows.sources]
    frames = [lake.scan(("corpus", source)).select("row_id", "source") for source in sources]
    if not frames:
        return pl.DataFrame(schema={"row_id": pl.String, "source": pl.String})
    found = pl.concat(frames)
    if rows.recipe:
        found = found.join(lake.scan(("selections", rows.recipe)).select("row_id"), on="row_id", how="semi")
    if rows.categories and rows.among:
        of = [lake.scan(("categories", rows.categories, source)).select("row_id", "category") for source in sources]
        found = found.join(pl.concat(of).filter(pl.col("category").is_in(rows.among)), on="row_id", how="semi")
    if rows.score:
        column = pl.col(score_column(rows.score)).fill_nan(None)
        scores = [
            lake.scan(key).select("row_id", value=column)
            for key in score_tables(warehouse, score_key(rows.score))
            if lake.info(key)
        ]
        low, high = (-np.inf if rows.low is None else rows.low), (np.inf if rows.high is None else rows.high)
        known = pl.concat(scores).filter(pl.col("value").is_between(low, high))
        found = found.join(known.select("row_id"), on="row_id", how="semi")
    table = found.collect().sort("row_id")
    if rows.sample is not None:
        table = table[np.sort(hash_sample(table["row_id"].to_numpy(), rows.sample, rows.seed))]
    return table


def row_deps(rows: AskedRows) -> list[Key]:
    """Return the keys of the tables that choose the rows."""
    found: list[Key] = [("selections", rows.recipe)] if rows.recipe else []
    found += [("categories", rows.categories)] if rows.categories else []
    found += score_deps([rows.score]) if rows.score else []
    return found


def row_inputs(rows: AskedRows, warehouse: Warehouse) -> dict[str, str]:
    """Return the versions of the tables that choose the rows."""
    found: dict[str, str] = {}
    if rows.recipe:
        found[f"selections/{rows.recipe}"] = warehouse.lake.version(("selections", rows.recipe))
    if rows.categories:
        found |= warehouse.versions("categories", rows.categories)
    if rows.score:
        found |= score_inputs(warehouse, [rows.score])
    return found
