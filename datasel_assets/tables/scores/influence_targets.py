"""What rows are compared with for their influence: the gradients of a target, the pool or held-out rows, as directions.

Belongs here: the table of directions, from whole gradients. Does not belong here: comparing rows (``influence``),
directions in the space of the stored table (``projected_influence``), what a direction is (``indicators.influence``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasel_assets.indicators import influence as maths
from datasel_assets.models.proxy_folder import read_manifest
from datasel_assets.models.proxy_rows import draw_rows, split_rows
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Key, TableInfo
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.trained_models import trained_folder
from datasel_assets.tables.vectors.curvature import (
    Differentiated,
    open_model,
    pool_is_there,
    pool_sample,
    read_curvature,
    require_curvature,
    rows_named,
)
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradients import GradientModel

INFLUENCE_TARGETS = Kind("influence_targets")
"""The directions that the rows of ``influence/<name>`` are compared with."""

_PARTS = {"mean": ", their mean", "max": ", one direction for each task", "round_robin": ", one direction each"}

JUDGES, BEYOND = "judges", "beyond"
"""In the footer: ids of the rows that others are judged by, and what a mean row does, over all checkpoints."""


def directions_of(number: int) -> str:
    """Return the name of the array of directions of a checkpoint, by its place among those that are read."""
    return f"directions_{number}" if number else "directions"


def said_of(spec: InfluenceSpec) -> dict[str, Any]:
    """Return what of a file decides its directions; what has been added since is named only where it is said."""
    said = spec.model_dump(include={"precondition", "similarity", "reduce"})
    return said if spec.toward == "target" else {**said, "toward": spec.toward}


def aim_of(spec: InfluenceSpec, own: Differentiated, warehouse: Warehouse) -> dict[str, str]:
    """Return the version of what a score is toward, by name."""
    if spec.target is not None:
        return {"target": warehouse.lake.version(("targets", spec.target))}
    return {"corpus": pool_is_there(warehouse)}


def aim_reads(spec: InfluenceSpec) -> list[Key]:
    """Return the key of the table that holds what a score is toward."""
    return [("targets", spec.target) if spec.target is not None else ("corpus",)]


def directions_table(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    """Return the table of directions of the file ``scores/<name>.yaml``."""
    damping = own.spec.curvature.damping if spec.precondition == "ekfac" else None
    sampled = [own.spec.curvature.rows, own.spec.curvature.seed] if spec.target is None else []
    fingerprint = digest([INFLUENCE_TARGETS.version, *own.identity, said_of(spec), damping, *sampled])
    curvature = [own.curvature_key] if spec.precondition == "ekfac" else []

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {"model": own.version(warehouse), **aim_of(spec, own, warehouse)}
        inputs |= {"/".join(key): warehouse.lake.version(key) for key in curvature}
        return Expected((INFLUENCE_TARGETS.name, name), fingerprint, inputs)

    return Table(
        kind=INFLUENCE_TARGETS,
        key=(INFLUENCE_TARGETS.name, name),
        description=(
            f"The gradients of the examples of {spec.aim}"
            + (", divided by the curvature of the loss" if curvature else "")
            + (", divided by the root of Adam's second moments" if spec.precondition == "adam" else "")
            + {"max": ", one direction for each task", "round_robin": ", one direction each"}.get(
                spec.reduce, ", their mean"
            )
            + (", at each checkpoint." if own.spec.several else ".")
        ),
        group="scores",
        reads=[*aim_reads(spec), *curvature, *own.reads()],
        expect=expect,
        build=partial(_build, spec, own),
        runs_model=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        version=fingerprint,
    )


def judges(spec: InfluenceSpec, own: Differentiated, warehouse: Warehouse) -> pl.DataFrame:
    """Return the conversations that rows are judged by: ``row_id``, ``messages`` and ``task``.

    Raises:
        ValueError: the training of the model held no row of today's pool out.
    """
    if spec.target is not None:
        return warehouse.lake.scan(("targets", spec.target)).collect().sort("row_id")
    rows, seed = own.spec.curvature.rows, own.spec.curvature.seed
    found = pool_sample(warehouse, rows, seed) if spec.toward == "pool" else _held_out(own, warehouse, rows)
    return found.with_columns(task=pl.lit(""))


def _held_out(own: Differentiated, warehouse: Warehouse, rows: int) -> pl.DataFrame:
    manifest = read_manifest(trained_folder(warehouse, own.spec.model))
    assert manifest, "a trained model says how it was trained"
    proxy = ProxySpec.model_validate(manifest["spec"])
    keys = [("corpus", source) for source in warehouse.active_sources()]
    names = pl.concat(warehouse.lake.scan(key).select("row_id", "content_hash") for key in keys).collect()
    _, unseen = split_rows(draw_rows(names, proxy), proxy)
    return rows_named(warehouse, names["row_id"].gather(unseen["place"].head(rows)))


def _build(spec: InfluenceSpec, own: Differentiated, step: Step) -> Built:
    from datasel_assets.models.gradient_projections import Whole

    warehouse = step.warehouse
    rows = judges(spec, own, warehouse)
    cosine, arrays, names, beyond = spec.similarity == "cosine", {}, [], []
    openings = own.openings(warehouse, moments=spec.precondition == "adam")
    for number, opening in enumerate(openings):
        with open_model(warehouse, **opening) as model:
            whole, divide = Whole(model.shapes), _divider(spec, own, warehouse, number, model)
            parts = rows["row_id" if spec.reduce == "round_robin" else "task"].to_list()
            found = maths.Directions(parts, whole.width, cosine=cosine, by_task=spec.reduce != "mean")
            plain, there = np.zeros(whole.width), 0
            # One example at a time: a whole gradient has as many numbers as the model has weights.
            for done, messages in enumerate(rows["messages"].to_list(), 1):
                read = model.read([messages], whole)
                found.add(divide(read.values))
                plain, there = plain + read.values[0], there + int(read.norm[0] > 0)
                step.progress(number * rows.height + done, len(openings) * rows.height)
        directions = found.done()
        arrays[directions_of(number)], names = directions, found.names
        beyond.append(float(directions[0].astype(np.float64) @ plain) / max(there, 1))
    meta: dict[str, Any] = {"names": names}
    if spec.toward == "held_out":
        meta[JUDGES] = rows["row_id"].to_list()
    if spec.toward == "pool" and not cosine and not own.stepped:
        meta[BEYOND] = beyond
    # Which rows stand for the pool depends on the pool as it is now.
    sampled = [ids_digest(rows["row_id"])] if spec.target is None else []
    version = digest([step.expected.fingerprint, dict(step.expected.inputs), *sampled])
    info = warehouse.lake.write_arrays(step.expected, arrays, data_version=version, meta=meta)
    shown = {"directions": len(names), "numbers": arrays["directions"].shape[1], "examples": rows.height}
    shown |= {"checkpoints": len(openings)} if own.spec.several else {}
    return Built(info, rows.height, metadata=shown, rows_total=rows.height)


def comparison(spec: InfluenceSpec, own: Differentiated, warehouse: Warehouse, directions: TableInfo) -> dict[str, Any]:
    """Return, as plain values, how the products of rows with stored directions become a score."""
    equal = [1 / len(own.numbers)] * len(own.numbers)
    weights = own.rates(warehouse) if spec.checkpoint_weights == "learning_rate" else equal
    beyond = directions.meta.get(BEYOND, [])
    return {
        "cosine": spec.similarity == "cosine",
        "weights": weights,
        "beyond": sum(weight * value for weight, value in zip(weights, beyond, strict=False)),
        "judges": directions.meta.get(JUDGES, []),
    }


def scored(ids: pl.Series, found: Sequence[tuple[np.ndarray, np.ndarray]], how: Mapping[str, Any]) -> pl.DataFrame:
    """Return the scores of rows by their products and lengths at each checkpoint; ``how``: :func:`comparison`."""
    values = maths.influence(*maths.over_checkpoints(found, how["weights"], how["cosine"]), False) - how["beyond"]
    judged = pl.Series(np.where(np.isin(ids.to_numpy(), how["judges"]), np.nan, values)).cast(pl.Float32)
    return pl.DataFrame({"row_id": ids, "score": judged})


def _divider(
    spec: InfluenceSpec, own: Differentiated, warehouse: Warehouse, number: int, model: "GradientModel"
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what the gradients (m, width) of examples are divided by, as a function of them."""
    from datasel_assets.models.curvature import divide

    if spec.precondition == "ekfac":
        require_curvature(warehouse, own)
        layers = read_curvature(warehouse, own.curvature_key, number)
        return lambda gradients: divide(layers, gradients, own.spec.curvature.damping)
    if spec.precondition == "adam" and (adam := model.adam):
        return adam.divide
    return lambda gradients: gradients
