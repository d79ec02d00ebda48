"""The asset of the scores that are made of tags. Not here: the tags (``tags``), the scores (``indicators.tags``)."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from datasel_assets.indicators.tags import FAMILY, tag_indicators
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.scores.scores import (
    SCORE_CHECKS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    within_bounds,
)
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.warehouse import Warehouse


def tag_scores(names: Iterable[str]) -> Table:
    """Return the asset of the scores that are made of tags; ``names``: the files in ``tags/``."""
    names = sorted(names)
    family = tag_indicators(names)

    def wanted(warehouse: Warehouse, source: str | None) -> dict[str, str]:
        found = {}
        for name in names:
            info = warehouse.lake.info(("tags", name, str(source)))
            one = tag_indicators([name])
            found |= column_versions(one, info.fingerprint if info else "missing")
        return found

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        fingerprint = columns_fingerprint(wanted(warehouse, source))
        return Expected(("scores", FAMILY, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        ids = lake.scan(("corpus", str(step.source))).select("row_id").collect()
        table = ids
        for name in names:
            counts = lake.scan(("tags", name, str(step.source))).select(
                "row_id", pl.col("tags").list.len().cast(pl.Float64).fill_null(float("nan")).alias(f"{name}_count")
            )
            table = table.join(counts.collect(), on="row_id", how="left", maintain_order="left")
        place = dict(zip(table["row_id"], range(table.height), strict=True))

        def compute(rows: list[str], columns: list[str]) -> pl.DataFrame:
            part = table[[place[row] for row in rows]]
            made = {column: family[column](part[column].to_numpy()).astype(np.float32) for column in columns}
            return within_bounds(pl.DataFrame({"row_id": rows, **made}), family)

        update = update_columns(
            lake, step.expected, ids["row_id"].to_list(), wanted(step.warehouse, step.source), compute
        )
        return Built.of(update, score_facts(step, family), score_checks(step, ids.height, family))

    return Table(
        key=("scores", FAMILY),
        description="What the tags of a row say about it: how many there are (complexity in the sense of InsTag).",
        group="scores",
        reads=[("corpus",), *(("tags", name) for name in names)],
        expect=expect,
        build=build,
        checks=SCORE_CHECKS,
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={f"{name}_count": [(("tags", name), "tags")] for name in names},
    )
