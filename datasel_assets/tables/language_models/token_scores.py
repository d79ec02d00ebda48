"""The scores that are made of token statistics: one column per indicator, one table per model and source."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import polars as pl

from datasel_assets.indicators.token_lists import stats_of
from datasel_assets.indicators.tokens import TOKENS, computable, passes_of
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.language_models.token_statistics import TOKEN_STATISTICS
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


def token_scores(name: str, spec: LanguageModelSpec) -> Table:
    """Return the table of scores of one file in ``language_models/``."""
    family = computable(spec.scored_under)
    reads = {indicator: passes_of(indicator, spec.passes) for indicator in family}
    statistics = (TOKEN_STATISTICS.name, name)
    read = [context for context in spec.passes if any(context in contexts for contexts in reads.values())]
    return RowTable(
        rows_of=statistics,
        wants=partial(_wants, name, reads),
        work=lambda step: Work(score_schema(family), read, {"contexts": reads}),
        compute=score_statistics,
        facts=lambda step, update: score_facts(step, family),
        verify=lambda step, update: score_checks(step, update, family),
    ).table(
        kind=SCORES,
        key=(SCORES.name, name),
        description=f"What `{spec.causal.model}` finds hard, likely or surprising in a row: one column per indicator.",
        group="scores",
        reads=[("corpus",), statistics],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={indicator: [(statistics, context) for context in reads[indicator]] for indicator in family},
    )


def score_statistics(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the indicators of rows of token statistics."""
    reads = context.arguments["contexts"]
    statistics = {name: stats_of(rows[name]) for column in context.columns for name in reads[column]}
    found = {column: TOKENS[column](statistics).astype(np.float32) for column in context.columns}
    return within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), {c: TOKENS[c] for c in context.columns})


def _wants(name: str, reads: Mapping[str, list[str]], warehouse: Warehouse, source: str | None) -> Wanted:
    info = warehouse.lake.info((TOKEN_STATISTICS.name, name, str(source)))
    stored = info.meta.get("columns", {}) if info else {}
    versions = {
        indicator: digest([TOKENS[indicator].version, [stored.get(context, "missing") for context in contexts]])
        for indicator, contexts in reads.items()
    }
    return Wanted(columns_fingerprint(versions), versions=versions)
