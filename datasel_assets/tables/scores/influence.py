"""Influence toward a target: the directions that the target asks for, and every row's gradient compared with them.

Belongs here: both tables. Does not belong here: what influence is (``indicators.influence``), gradients and curvature
(``models``). The whole gradient of a row is compared while it is there; the stored table of gradients is not read.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.indicators import influence as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.score import InfluenceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.forecast import row_forecast
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import score_page
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import Differentiated, open_model, read_curvature, require_curvature
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradient_projections import Toward
    from datasel_assets.models.gradients import GradientModel

KIND = maths.KIND
INFLUENCE = Kind(KIND.name, version=KIND.version, per="source")
INFLUENCE_TARGETS = Kind("influence_targets")
"""The directions that the rows of ``influence/<name>`` are compared with."""

UNIT_ROWS = 1024
"""A killed step loses at most this many rows of work."""


def influence_tables(name: str, registry: Registry) -> list[Table]:
    """Return the directions and the score of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, InfluenceSpec)
    gradients = registry.gradients[spec.gradients]
    own = Differentiated(spec.gradients, gradients, registry.language_models[gradients.model])
    return [_directions(name, spec, own), _influence(name, spec, own)]


# ---------------------------------------------------------------------------------------------------- directions
def _directions(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    damping = own.spec.curvature.damping if spec.precondition == "ekfac" else None
    said = spec.model_dump(include={"precondition", "similarity", "reduce"})
    fingerprint = digest([INFLUENCE_TARGETS.version, *own.identity, said, damping])
    curvature = [own.curvature_key] if spec.precondition == "ekfac" else []

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {"model": own.version(warehouse), "target": warehouse.lake.version(("targets", spec.target))}
        inputs |= {"/".join(key): warehouse.lake.version(key) for key in curvature}
        return Expected((INFLUENCE_TARGETS.name, name), fingerprint, inputs)

    return Table(
        kind=INFLUENCE_TARGETS,
        key=(INFLUENCE_TARGETS.name, name),
        description=(
            f"The gradients of the examples of `{spec.target}`"
            + (", divided by the curvature of the loss" if curvature else "")
            + (", one direction for each task" if spec.reduce == "max" else ", their mean")
            + "."
        ),
        group="scores",
        reads=[("targets", spec.target), *curvature, *own.reads()],
        expect=expect,
        build=partial(_build_directions, spec, own),
        runs_model=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        version=fingerprint,
    )


def _build_directions(spec: InfluenceSpec, own: Differentiated, step: Step) -> Built:
    from datasel_assets.models.curvature import divide
    from datasel_assets.models.gradient_projections import Whole

    warehouse = step.warehouse
    rows = warehouse.lake.scan(("targets", spec.target)).collect().sort("row_id")
    layers = []
    if spec.precondition == "ekfac":
        require_curvature(warehouse, own)
        layers = read_curvature(warehouse, own.curvature_key)
    cosine = spec.similarity == "cosine"
    with open_model(warehouse, **own.opening(warehouse)) as model:
        whole = Whole(model.shapes)
        found = maths.Directions(rows["task"].to_list(), whole.width, cosine=cosine, by_task=spec.reduce == "max")
        # One example at a time: a whole gradient has as many numbers as the model has weights.
        for done, messages in enumerate(rows["messages"].to_list(), 1):
            gradient = model.read([messages], whole).values
            found.add(divide(layers, gradient, own.spec.curvature.damping) if layers else gradient)
            step.progress(done, rows.height)
    directions = found.done()
    info = warehouse.lake.write_arrays(step.expected, {"directions": directions}, meta={"names": found.names})
    shown = {"directions": len(directions), "numbers": directions.shape[1], "examples": rows.height}
    return Built(info, rows.height, metadata=shown, rows_total=rows.height)


# --------------------------------------------------------------------------------------------------------- scores
def _influence(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    directions = (INFLUENCE_TARGETS.name, name)
    facts = partial(_facts, name, spec)
    return exact_rows(name, spec, own, ("corpus",), facts).table(
        kind=INFLUENCE,
        key=(INFLUENCE.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[("corpus",), directions, *own.reads()],
        checks={"covers_corpus": "one value for every conversation and no other"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=_made_by(spec, own),
        columns={"score": f"{maths.influence.summary} Keep: {KIND.keep}."},
        lineage={"score": [(("corpus",), "messages")]},
    )


def exact_rows(
    name: str, spec: InfluenceSpec, own: Differentiated, rows_of: Key, facts: Callable[..., Mapping[str, Any]]
) -> RowTable:
    """Return how the influence of every row of a table is computed.

    Args:
        name: of the file in ``scores/``.
        spec: what it says.
        own: gradients and model.
        rows_of: key of the table of rows, without the source.
        facts: see :class:`RowTable`.
    """
    directions = (INFLUENCE_TARGETS.name, name)
    return RowTable(
        rows_of=rows_of,
        wants=partial(_wants, directions, _made_by(spec, own)),
        work=partial(influence_work, spec, own, directions),
        compute=compare,
        load=load_directions,
        unit_rows=UNIT_ROWS,
        forecast=partial(_forecast, rows_of),
        facts=facts,
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    )


def _made_by(spec: InfluenceSpec, own: Differentiated) -> str:
    return digest([INFLUENCE.version, maths.influence.version, *own.identity, spec.similarity])


def _wants(directions: Key, made_by: str, warehouse: Warehouse, source: str | None) -> Wanted:
    # The directions have another version whenever the model or the curvature has.
    versions = {"score": digest([made_by, warehouse.lake.version(directions)])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def influence_work(spec: InfluenceSpec, own: Differentiated, directions: Key, step: Step) -> Work:
    """Return what :func:`compare` reads of a row, and what :func:`load_directions` needs."""
    info = step.warehouse.lake.require(directions)
    arguments = {
        "opening": own.opening(step.warehouse),
        "directions": list(directions),
        "version": info.data_version,
        "cosine": spec.similarity == "cosine",
    }
    return Work(score_schema(["score"]), ["messages"], arguments)


def _forecast(rows_of: Key, step: Step, work: Work, rows: int) -> dict[str, Any]:
    return row_forecast(step, work, rows, rows_of=rows_of, compute=compare, load=load_directions, bytes_per_row=4)


def load_directions(
    warehouse: Warehouse, opening: Mapping[str, Any], directions: list[str], version: str, cosine: bool
) -> "tuple[GradientModel, Toward, bool]":
    """Load a model and the directions of a target; ``version`` only says which these were."""
    from datasel_assets.models.gradient_projections import Toward

    model = open_model(warehouse, **opening)
    vectors = warehouse.lake.read_arrays(tuple(directions))["directions"]
    return model, Toward(vectors, model.shapes, model.device), cosine


def compare(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the influence of conversations.

    Raises:
        ValueError: a gradient holds NaN or infinity.
    """
    model, toward, cosine = context.loaded
    found = model.read(rows["messages"].to_list(), toward, progress=context.progress)
    if not (np.isfinite(found.norm).all() and np.isfinite(found.values).all()):
        raise ValueError("the gradient holds NaN or infinity")
    score = maths.influence(found.values, found.norm, cosine)
    return rows.select("row_id", score=pl.Series(score).cast(pl.Float32))


def _facts(name: str, spec: InfluenceSpec, step: Step, update: Update) -> dict[str, Any]:
    return {
        "sign": maths.SIGN,
        **score_page(step, f"{KIND.name}.{name}", ("most helpful rows", "most harmful rows")),
        "target": table_link("targets", spec.target),
    }
