"""The effect of a row's unit on the outcome of trainings, as a score.

Belongs here: the table. Does not belong here: what the score means (``indicators.run_effect``), effects
(``tables.runs``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.indicators.run_effect import KIND, run_effect
from datasel_assets.registry.registry import Registry
from datasel_assets.runs.names import EFFECTS, MEMORISATION, OVERALL, OWN_ROWS, SOURCE, TARGET
from datasel_assets.schema import suggestion
from datasel_assets.specs.score import RunEffectSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.pool_score import POOL_SCORES
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse


def run_effect_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, RunEffectSpec)
    kind, key = POOL_SCORES[KIND.name], (KIND.name, name)
    effects = (EFFECTS, spec.runs)
    said = spec.model_dump(mode="json", exclude={"doc", "paper"})
    fingerprint = digest([kind.version, run_effect.version, said])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {"/".join(effects): warehouse.lake.version(effects)}
        return Expected(key, fingerprint, inputs | warehouse.versions("corpus"))

    table = Table(
        kind=kind,
        key=key,
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[("corpus",), effects],
        expect=expect,
        build=partial(_build, name, spec),
        checks={"some_rows_have_a_score": "the score is defined for at least one row"},
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={"score": f"{run_effect.summary} Keep: {KIND.keep}."},
        lineage={"score": [(effects, "effect")]},
    )
    return [table]


def _build(name: str, spec: RunEffectSpec, step: Step) -> Built:
    lake = step.warehouse.lake
    found = _chosen(name, spec, step.warehouse).sort("unit")
    sources = step.warehouse.active_sources()
    rows = pl.concat(lake.scan(("corpus", source)).select("row_id", "source") for source in sources).collect()
    units = lake.scan(("run_rows", spec.runs)).collect()
    placed = rows.sort("row_id").join(units, on="row_id", how="left", maintain_order="left")
    believed = found["believed"].to_numpy() if spec.only_believed else None
    numbers = placed["unit"].fill_null(-1).cast(pl.Int64).to_numpy()
    values = run_effect(numbers, found["effect"].to_numpy(), believed)
    known = int(np.isfinite(values).sum())
    if not known:
        raise ValueError(
            f"scores/{name}.yaml: none of the rows of runs/{spec.runs} is in the pool any more: run it again"
        )
    table = placed.select("row_id", "source").with_columns(score=pl.Series(values).cast(pl.Float32))
    info = lake.write(step.expected, table)
    shown = {
        "effects": table_link(EFFECTS, spec.runs),
        "outcome": str(found["set"][0]),
        "estimator": str(found["estimator"][0]),
        "units_believed": int(found["believed"].sum()),
        "units": found.height,
        "rows_without_score": table.height - known,
        "plot: scores": picture(
            plots.score_grid({f"{KIND.name}.{name}": values}, f"{KIND.name}.{name}"), f"distribution of {name}"
        ),
        "rows": extreme_rows(step.warehouse, table, {"score": KIND.keep or "high"}),
    }
    return Built(info, table.height, metadata=shown, checks={"some_rows_have_a_score": Check(True, {"rows": known})})


def _chosen(name: str, spec: RunEffectSpec, warehouse: Warehouse) -> pl.DataFrame:
    """Return the lines of the outcome and the estimator that the score is of.

    Raises:
        ValueError: there is no such outcome or estimator.
    """
    info = warehouse.lake.require((EFFECTS, spec.runs))
    effects = warehouse.lake.scan(info.key).collect()
    estimator = spec.estimator or next(iter(info.meta["estimators"]), MEMORISATION)
    by = effects.filter(pl.col("estimator") == estimator)
    if by.is_empty():
        there = ", ".join(effects["estimator"].unique(maintain_order=True))
        raise ValueError(
            f"scores/{name}.yaml: estimator: runs/{spec.runs} has no effects by {estimator!r}, but by {there}; name it "
            f"under 'estimators' in runs/{spec.runs}.yaml"
        )
    sets = by["set"].unique(maintain_order=True).to_list()
    wanted = OWN_ROWS if estimator == MEMORISATION else spec.toward or OVERALL
    found = next((each for each in (wanted, TARGET + wanted, SOURCE + wanted) if each in sets), None)
    if found is None:
        raise ValueError(
            f"scores/{name}.yaml: toward: {wanted!r} is no outcome of runs/{spec.runs}{suggestion(wanted, sets)} "
            f"Outcomes: {', '.join(sets)}"
        )
    return by.filter(pl.col("set") == found)
