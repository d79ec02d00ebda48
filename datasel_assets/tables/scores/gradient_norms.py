"""The lengths of gradients as a score: a column of the table of gradients.

Belongs here: the table. Does not belong here: what the score means (``indicators.gradient_norm``), gradients
(``vectors.gradients``).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators import gradient_norm as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import score_page
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import Differentiated
from datasel_assets.tables.vectors.gradients import GRADIENTS, NORM, columns_of
from datasel_assets.tables.warehouse import Warehouse

KIND = maths.KIND
GRADIENT_NORM = Kind(KIND.name, version=KIND.version, per="source")


def gradient_norm_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, maths.GradientNormSpec)
    gradients = (GRADIENTS.name, spec.gradients)
    own = registry.gradients[spec.gradients]
    norms = columns_of(Differentiated(spec.gradients, own, registry.language_models[own.model]), NORM)
    made_by = digest([GRADIENT_NORM.version, maths.gradient_norm.version])
    table = RowTable(
        rows_of=gradients,
        wants=partial(_wants, spec.gradients, made_by),
        work=lambda step: Work(score_schema(["score"]), norms),
        compute=lengths,
        facts=partial(_facts, name),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=GRADIENT_NORM,
        key=(GRADIENT_NORM.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[("corpus",), gradients],
        checks={"covers_corpus": "one length for every conversation and no other"},
        version=made_by,
        columns={"score": f"{maths.gradient_norm.summary} Keep: {KIND.keep}."},
        lineage={"score": [(gradients, norm) for norm in norms]},
    )
    return [table]


def _wants(gradients: str, made_by: str, warehouse: Warehouse, source: str | None) -> Wanted:
    info = warehouse.lake.info((GRADIENTS.name, gradients, str(source)))
    versions = {"score": digest([made_by, info.fingerprint if info else "missing"])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def lengths(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the score of rows of a table of gradients."""
    norms = rows.drop("row_id").to_numpy().mean(axis=1, dtype=np.float64)
    return rows.select("row_id", score=pl.Series(maths.gradient_norm(norms)).cast(pl.Float32))


def _facts(name: str, step: Step, update: Update) -> Mapping[str, Any]:
    return score_page(step, f"{KIND.name}.{name}", ("longest gradients", "shortest gradients"))
