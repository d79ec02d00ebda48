"""Influence: every row's gradient compared with the directions that a target, the pool or held-out rows ask for.

Belongs here: the table of the score. Does not belong here: the directions (``influence_targets``), influence by the
stored table (``projected_influence``), what influence is (``indicators.influence``), gradients and curvature
(``models``). The whole gradient of a row is compared while it is there; the stored table of gradients is not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.indicators import influence as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.score import InfluenceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import likeness, likeness_by, likeness_reads, score_page
from datasel_assets.tables.scores.influence_targets import (
    INFLUENCE_TARGETS,
    comparison,
    directions_of,
    directions_table,
    scored,
)
from datasel_assets.tables.scores.projected_influence import projected_directions, projected_score
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import Differentiated, Models, open_model
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradient_projections import Toward
    from datasel_assets.models.gradients import GradientModel

KIND = maths.KIND
INFLUENCE = Kind(KIND.name, version=KIND.version, per="source")
UNIT_ROWS = 1024
"""A killed step loses at most this many rows of work."""


def influence_tables(name: str, registry: Registry) -> list[Table]:
    """Return the directions and the score of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, InfluenceSpec)
    gradients = registry.gradients[spec.gradients]
    own = Differentiated(spec.gradients, gradients, registry.language_models[gradients.model])
    by = likeness_by(spec, registry)
    if spec.precondition == "gram":
        score, extra = projected_score(name, spec, own), {}
        directions = projected_directions(name, spec, own)
    else:
        score, extra = _exact_score(name, spec, own), {"runs_model": True}
        directions = directions_table(name, spec, own)
    rows_of = score.rows_of
    table = replace(score, facts=partial(_facts, name, spec, by)).table(
        kind=INFLUENCE,
        key=(INFLUENCE.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[
            *dict.fromkeys([("corpus",), rows_of, directions.key, *own.reads()]),
            *likeness_reads(by, spec.target, registry),
        ],
        checks={"covers_corpus": "one value for every conversation and no other"},
        kinds=frozenset({"parquet", "pytorch"}),
        version=_made_by(spec, own),
        columns={"score": f"{maths.influence.summary} Keep: {KIND.keep}."},
        lineage={"score": [(("corpus",), "messages")]},
        **extra,
    )
    return [directions, table]


def _made_by(spec: InfluenceSpec, own: Differentiated) -> str:
    weights = [spec.checkpoint_weights] if own.spec.several else []
    return digest([INFLUENCE.version, maths.influence.version, *own.identity, spec.similarity, *own.stepped, *weights])


def _exact_score(name: str, spec: InfluenceSpec, own: Differentiated) -> RowTable:
    directions = (INFLUENCE_TARGETS.name, name)
    return RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, directions, _made_by(spec, own)),
        work=partial(_work, spec, own, directions),
        compute=compare,
        load=load_directions,
        unit_rows=UNIT_ROWS,
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    )


def _wants(directions: Key, made_by: str, warehouse: Warehouse, source: str | None) -> Wanted:
    # The directions have another version whenever the model or the curvature has.
    versions = {"score": digest([made_by, warehouse.lake.version(directions)])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(spec: InfluenceSpec, own: Differentiated, directions: Key, step: Step) -> Work:
    info = step.warehouse.lake.require(directions)
    arguments = {
        "openings": own.openings(step.warehouse, moments=bool(own.stepped)),
        "directions": list(directions),
        "version": info.data_version,
        "steps": bool(own.stepped),
        **comparison(spec, own, step.warehouse, info),
    }
    return Work(score_schema(["score"]), ["messages"], arguments)


def load_directions(
    warehouse: Warehouse, openings: Sequence[Mapping[str, Any]], directions: list[str], version: str, **_: Any
) -> Models:
    """Load models and the directions of a target; ``version`` only says which these were."""
    from datasel_assets.models.gradient_projections import Toward

    vectors = warehouse.lake.read_arrays(tuple(directions))

    def load(number: int, opening: Mapping[str, Any]) -> "tuple[GradientModel, Toward]":
        model = open_model(warehouse, **opening)
        return model, Toward(vectors[directions_of(number)], model.shapes, model.device)

    return Models(openings, load)


def compare(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the influence of conversations.

    Raises:
        ValueError: a gradient holds NaN or infinity.
    """
    found = []
    for model, toward in context.loaded:
        read = model.read(
            rows["messages"].to_list(), toward, progress=context.progress, steps=context.arguments["steps"]
        )
        if not (np.isfinite(read.norm).all() and np.isfinite(read.values).all()):
            raise ValueError("the gradient holds NaN or infinity")
        found.append((read.values, read.norm))
    return scored(rows["row_id"], found, context.arguments)


def _facts(name: str, spec: InfluenceSpec, by: str | None, step: Step, update: Update) -> dict[str, Any]:
    alike = likeness(step.warehouse, step.source, by, spec.target, spec.reduce)
    return {
        "sign": maths.SIGN,
        **score_page(step, f"{KIND.name}.{name}", ("most helpful rows", "most harmful rows"), alike),
        "target": table_link("targets", spec.target) if spec.target is not None else spec.aim,
    }
