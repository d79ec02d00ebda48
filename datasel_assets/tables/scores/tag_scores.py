"""The table of the scores that are made of tags. Not here: the tags (``tags``), the scores (``indicators.tags``)."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import polars as pl

from datasel_assets.indicators.tags import FAMILY, tag_indicators, tags_file
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import (
    SCORE_CHECKS,
    SCORES,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    score_schema,
    within_bounds,
)
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


def tag_scores(names: Iterable[str]) -> Table:
    """Return the table of the scores that are made of tags; ``names``: the files in ``tags/``."""
    names = sorted(names)
    family = tag_indicators(names)
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, names),
        work=lambda step: Work(score_schema(family), []),
        compute=score_tags,
        facts=lambda step, update: score_facts(step, family),
        verify=lambda step, update: score_checks(step, update, family),
    ).table(
        kind=SCORES,
        key=(SCORES.name, FAMILY),
        description="What the tags of a row say about it: how many there are (complexity in the sense of InsTag).",
        group="scores",
        reads=[("corpus",), *(("tags", name) for name in names)],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={column: [(("tags", tags_file(column)), "tags")] for column in family},
    )


def _wants(names: Sequence[str], warehouse: Warehouse, source: str | None) -> Wanted:
    versions = {}
    for name in names:
        info = warehouse.lake.info(("tags", name, str(source)))
        versions |= column_versions(tag_indicators([name]), info.fingerprint if info else "missing")
    return Wanted(columns_fingerprint(versions), versions=versions)


def score_tags(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return how many tags each row has in each file of tags; NaN where they are not known."""
    ids = rows.select("row_id")
    family = tag_indicators(map(tags_file, context.columns))
    found = {}
    for column in context.columns:
        tags = context.warehouse.lake.scan(("tags", tags_file(column), str(context.source)))
        own = tags.select("row_id", n=pl.col("tags").list.len().cast(pl.Float64))
        own = own.join(ids.lazy(), on="row_id", how="semi").collect()
        counts = ids.join(own, on="row_id", how="left", maintain_order="left")["n"].fill_null(float("nan"))
        found[column] = family[column](counts.to_numpy()).astype(np.float32)
    return within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), family)
