"""The tables of one file in ``dynamics/``: what a training said of every row of a sample of the pool.

Belongs here: what the table is made from, publishing it. Does not: the trainings (``text``, ``labels``), the page
(``page``), the scores (``scores``).
"""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.diagnostics.planted import planted_figures
from datasel_assets.indicators.base import Indicator
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.dynamics.labels import watch_labels
from datasel_assets.tables.dynamics.made import Made
from datasel_assets.tables.dynamics.page import page
from datasel_assets.tables.dynamics.records import COLUMNS, records_frame
from datasel_assets.tables.dynamics.scores import dynamics_scores, family_of
from datasel_assets.tables.dynamics.text import watch_rows
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.trained_models import model_tables, model_version
from datasel_assets.tables.warehouse import Warehouse

DYNAMICS = Kind("dynamics", state=("_training/{name}",), job="dynamics")


@dataclass(frozen=True)
class _Watching:
    """One file in ``dynamics/``.

    Attributes:
        name: of the file.
        spec: what it says.
        model: what the file of the model says; None where a classifier is trained.
    """

    name: str
    spec: DynamicsSpec
    model: LanguageModelSpec | None

    @property
    def key(self) -> Key:
        return (DYNAMICS.name, self.name)

    @property
    def family(self) -> dict[str, Indicator]:
        return family_of(self.spec)

    def fingerprint(self) -> str:
        causal = self.model.causal.model_dump() if self.model else None
        return digest([DYNAMICS.version, self.spec.model_dump(mode="json", exclude={"doc"}), causal])

    def reads(self) -> list[Key]:
        if self.model is not None:
            return [("corpus",), *model_tables(str(self.spec.model), self.model)]
        return [("corpus",), ("representations", str(self.spec.representation))]

    def expect(self, warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("corpus")
        if self.model is not None:
            inputs["model"] = model_version(warehouse, str(self.spec.model), self.model)
        else:
            inputs |= warehouse.versions("representations", str(self.spec.representation))
        return Expected(self.key, self.fingerprint(), inputs)


def dynamics_tables(name: str, registry: Registry, *, read: bool) -> list[Table]:
    """Return the records of the file ``dynamics/<name>.yaml``, and the scores where they are read.

    Args:
        name: of the file.
        registry: where it stands.
        read: whether something that is always made reads the scores; otherwise the records are made on request alone.
    """
    spec = registry.dynamics[name]
    own = _Watching(name, spec, registry.language_models[spec.model] if spec.model else None)
    return [_records(own, read), *([dynamics_scores(name, spec)] if read else [])]


def _records(own: _Watching, read: bool) -> Table:
    spec = own.spec
    if spec.model:
        what = f"`{spec.model}` trained further on a sample of the pool for {spec.epochs} epochs"
    else:
        what = f"A classifier of `{spec.label}` trained on the vectors of `{spec.representation}`"
    again = (
        ""
        if spec.planted is None
        else (" It is trained a second time with some rows made wrong on purpose, which shows what of this finds them.")
    )
    return Table(
        kind=DYNAMICS,
        key=own.key,
        description=(
            f"{what}, and what it said of each row every time that the row passed. A training over all rows: it is "
            f"made again when a row, the model or the file changes.{again} {spec.doc}"
        ),
        group="models",
        reads=own.reads(),
        expect=own.expect,
        build=partial(_build, own, read),
        checks={"some_rows_were_watched": "at least one row has something to learn"},
        runs_model=True,
        on_demand=not read,
        kinds=frozenset({"parquet", "pytorch"}),
        version=own.fingerprint(),
        columns=COLUMNS,
    )


def _build(own: _Watching, read: bool, step: Step) -> Built:
    spec, checkpoints = own.spec, _checkpoints(step.warehouse, own.name)
    if own.model is not None:
        made = watch_rows(own.name, spec, own.model, checkpoints, step)
    else:
        made = watch_labels(own.name, spec, step)
    figures = _figures(own, made)
    table = _frame(made)
    meta: dict[str, Any] = {"plentiful": made.history.plentiful}
    if figures is not None:
        meta["planted"] = figures.to_dicts()
    info = step.warehouse.lake.write(step.expected, table, meta=meta)
    if checkpoints.exists():
        shutil.rmtree(checkpoints)
    seen = int(made.history.seen.sum())
    shown = page(own.name, spec, own.family, made, figures)
    if read:
        shown["scores"] = table_link("scores", own.name)
    return Built(info, table.height, metadata=shown, checks={"some_rows_were_watched": Check(seen > 0, {"rows": seen})})


def _figures(own: _Watching, made: Made) -> pl.DataFrame | None:
    """Return how well each column finds planted faults; None where that was not tried."""
    if made.planted is None:
        return None
    values = {name: found(made.planted) for name, found in own.family.items()}
    return planted_figures(values, made.marked)


def _frame(made: Made) -> pl.DataFrame:
    n = made.names.height
    more = {
        "row_id": made.names["row_id"],
        "source": made.names["source"],
        "label": pl.Series("label", made.labels or [None] * n, dtype=pl.String),
        "told": pl.Series("told", made.told or [None] * n, dtype=pl.String),
    }
    return records_frame(made.history, more).sort("row_id")


def _checkpoints(warehouse: Warehouse, name: str) -> Path:
    return warehouse.settings.warehouse / "_training" / name
