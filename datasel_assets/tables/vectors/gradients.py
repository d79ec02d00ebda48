"""Tables of gradients: for every row of the pool, and of each target, what is kept of the gradient of its loss.

Belongs here: the tables, and gradients as the layers of a representation. Does not belong here: computing gradients
(``models.gradients``), influence toward a target, which is exact and reads no table (``scores.influence``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key
from datasel_assets.storage.vectors import vector_array, vector_type
from datasel_assets.tables.forecast import row_forecast
from datasel_assets.tables.row_table import FAILED_SHARE, RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import (
    Differentiated,
    Models,
    curvature_table,
    open_model,
    read_curvature,
    require_curvature,
)
from datasel_assets.tables.vectors.gradient_fidelity import GRADIENT_FIDELITY, gradient_fidelity_table
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradients import GradientModel, Projection

GRADIENTS = Kind("gradients", per="source")
TARGET_GRADIENTS = Kind("target_gradients")

COLUMN, NORM = "gradient", "norm"
UNIT_ROWS = 1024
"""A killed step loses at most this many rows of work."""

_MEANING = {
    COLUMN: "What is kept of the gradient of the row's loss, of length 1; all zero for a row without a response token.",
    NORM: "Length of the whole gradient, before anything was left out of it.",
}


def gradient_tables(own: Differentiated, targets: Sequence[str]) -> list[Table]:
    """Return the tables of one file of ``gradients/``: curvature, gradients of pool and targets, fidelity."""
    key = (GRADIENTS.name, own.name)
    columns = list(zip(columns_of(own, COLUMN), columns_of(own, NORM), strict=True))
    tables = [curvature_table(own), _table(own, GRADIENTS, key, ("corpus",))]
    tables.append(gradient_fidelity_table(own, key, columns))
    return [*tables, *(_table(own, TARGET_GRADIENTS, target_key(own.name, t), ("targets", t)) for t in targets)]


def bytes_per_row(dims: int) -> int:
    """Return the bytes that a row takes before compression: float16 numbers and a float32 length."""
    return 2 * dims + 4


def target_key(name: str, target: str) -> Key:
    """Return the key of the table of a target's gradients."""
    return (TARGET_GRADIENTS.name, name, target)


def columns_of(own: Differentiated, column: str) -> list[str]:
    """Return the columns that hold gradients or norms: one, or one for each checkpoint in the order of training."""
    return [f"{column}_{k}" for k in own.numbers] if own.spec.several else [column]


@dataclass(frozen=True)
class GradientLayers:
    """Gradients as the only layer of a representation, or as one for each checkpoint (``embeddings.EncoderLayers``)."""

    name: str

    @property
    def key(self) -> Key:
        """Key of the table of the pool's layers, without the source."""
        return (GRADIENTS.name, self.name)

    def target_key(self, target: str) -> Key:
        """Return the key of the table of a target's layers."""
        return target_key(self.name, target)

    def identity(self) -> list[Any]:
        """Return what of the layers enters the fingerprint of what is made from them."""
        return [GRADIENTS.version, self.name]

    def fingerprint(self, warehouse: Warehouse) -> str:
        """Return the fingerprint of the table of layers."""
        return _fingerprint(Differentiated.of(warehouse, self.name), warehouse)

    def columns(self, warehouse: Warehouse) -> list[str]:
        """Return the columns that hold layers."""
        return columns_of(Differentiated.of(warehouse, self.name), COLUMN)

    def layer_numbers(self, warehouse: Warehouse) -> list[int]:
        """Return the numbers of the layers."""
        return Differentiated.of(warehouse, self.name).numbers

    def width(self, warehouse: Warehouse) -> int:
        """Return the length of a vector."""
        own = Differentiated.of(warehouse, self.name)
        return _width(own, require_curvature(warehouse, own).meta)


def _table(own: Differentiated, kind: Kind, key: Key, rows_of: Key) -> Table:
    spec = own.spec
    return RowTable(
        rows_of=rows_of,
        wants=lambda warehouse, source: Wanted(_fingerprint(own, warehouse)),
        work=partial(_work, own, kind),
        compute=differentiate,
        load=load_gradients,
        unit_rows=UNIT_ROWS,
        failed_share=FAILED_SHARE if kind is GRADIENTS else 0,
        forecast=partial(_forecast, rows_of),
        facts=partial(_facts, own),
        verify=lambda step, update: {"covers_rows": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=kind,
        key=key,
        description=(
            f"{_what(own, kind)} of the loss (`{spec.loss}`) of every row of `{'/'.join(rows_of)}` with respect to the "
            f"linear layers of `{spec.model}`: {spec.dims:,} numbers at most (`{spec.projection}`) of length 1, and "
            f"the length of the whole gradient. {spec.doc}"
        ),
        group="aims" if kind is TARGET_GRADIENTS else "embeddings",
        reads=[rows_of, own.curvature_key, *own.reads()],
        checks={"covers_rows": "one gradient for every conversation of the upstream table"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=digest(_code(own)),
        columns={column: meaning for name, meaning in _MEANING.items() for column in columns_of(own, name)},
    )


def _what(own: Differentiated, kind: Kind) -> str:
    return "Steps of Adam on the gradients" if _steps(own, kind) else "Gradients"


def _steps(own: Differentiated, kind: Kind) -> bool:
    """Tell whether gradients are turned into steps of Adam: those of rows; those of targets stay plain (LESS)."""
    return kind is GRADIENTS and bool(own.stepped)


def _code(own: Differentiated) -> list[Any]:
    return [GRADIENTS.version, *own.identity, own.spec.projection, own.spec.dims, own.spec.seed, *own.stepped]


def _fingerprint(own: Differentiated, warehouse: Warehouse) -> str:
    eigenbasis = own.spec.projection == "eigenbasis"
    basis = warehouse.lake.version(own.curvature_key) if eigenbasis else None
    return digest([*_code(own), own.version(warehouse), basis])


def _width(own: Differentiated, curvature: Mapping[str, Any]) -> int:
    """Return how many numbers of a gradient are kept, from the footer of the curvature."""
    if own.spec.projection == "two_sided":
        layers = len(curvature["modules"])
        return layers * int(np.sqrt(own.spec.dims // layers)) ** 2
    return own.spec.dims if own.spec.projection == "count_sketch" else min(own.spec.dims, curvature["parameters"])


def _work(own: Differentiated, kind: Kind, step: Step) -> Work:
    curvature = require_curvature(step.warehouse, own)
    width, steps = _width(own, curvature.meta), _steps(own, kind)
    vectors, norms = (columns_of(own, name) for name in (COLUMN, NORM))
    types = {**dict.fromkeys(vectors, vector_type(width)), **dict.fromkeys(norms, pa.float32())}
    arguments = {
        "openings": own.openings(step.warehouse, moments=steps),
        "curvature": list(own.curvature_key),
        "curvature_version": curvature.data_version,
        "steps": steps,
        "columns": list(zip(vectors, norms, strict=True)),
        **own.spec.model_dump(include={"projection", "dims", "seed"}),
    }
    schema = pa.schema([("row_id", pa.string()), *types.items()])
    return Work(schema, ["messages"], arguments, meta={"dim": width, "layers": own.numbers})


def _forecast(rows_of: Key, step: Step, work: Work, rows: int) -> dict[str, Any]:
    width = bytes_per_row(work.meta["dim"])
    return row_forecast(
        step, work, rows, rows_of=rows_of, compute=differentiate, load=load_gradients, bytes_per_row=width
    )


def load_gradients(
    warehouse: Warehouse,
    openings: Sequence[Mapping[str, Any]],
    curvature: Sequence[str],
    curvature_version: str,
    projection: str,
    dims: int,
    seed: int,
    **_: Any,
) -> Models:
    """Load models and what is kept of their gradients; ``curvature_version`` only says which curvature it was."""
    from datasel_assets.models.gradient_projections import CountSketch, Eigenbasis, TwoSided

    def load(number: int, opening: Mapping[str, Any]) -> "tuple[GradientModel, Projection]":
        model = open_model(warehouse, **opening)
        if projection == "eigenbasis":
            layers = read_curvature(warehouse, tuple(curvature), number)
            return model, Eigenbasis(layers, dims, model.device)
        sketch = TwoSided if projection == "two_sided" else CountSketch
        return model, sketch(model.shapes, dims, seed, model.device)

    return Models(openings, load)


def differentiate(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return what is kept of the gradients of conversations, and their lengths.

    Raises:
        ValueError: a gradient holds NaN or infinity.
    """
    conversations, made = rows["messages"].to_list(), {"row_id": rows["row_id"].to_arrow()}
    for (model, projection), (column, norm) in zip(context.loaded, context.arguments["columns"], strict=True):
        found = model.read(conversations, projection, progress=context.progress, steps=context.arguments["steps"])
        if not (np.isfinite(found.norm).all() and np.isfinite(found.values).all()):
            raise ValueError("the gradient holds NaN or infinity")
        kept = np.linalg.norm(found.values.astype(np.float64), axis=1)
        made[column] = vector_array(found.values / np.where(kept > 0, kept, 1)[:, None])
        made[norm] = pa.array(found.norm.astype(np.float32))
        figures = {"fallbacks": found.fallbacks, "without_gradient": int((kept == 0).sum())}
        context.note(**figures, tokens=int(found.tokens.sum()))
    return pa.table({name: made[name] for name in ("row_id", *context.columns)})


def _facts(own: Differentiated, step: Step, update: Update) -> dict[str, Any]:
    column = columns_of(own, NORM)[-1]
    norms = step.warehouse.lake.scan(step.expected.key).select(column).collect()[column].drop_nulls().to_numpy()
    as_vectors = any(own.name == spec.gradients for spec in step.warehouse.registry.representations.values())
    return {
        "model": own.spec.model,
        "loss": own.spec.loss,
        "optimiser": own.spec.optimiser,
        "dimensions": update.info.meta["dim"],
        "bytes_per_row": bytes_per_row(update.info.meta["dim"]) * len(own.numbers),
        "median_norm": round(float(np.median(norms)), 4) if len(norms) else 0.0,
        "rows_without_a_gradient": int((norms == 0).sum()),
        "fallbacks": update.facts.get("fallbacks", 0),
        "curvature": table_link(*own.curvature_key),
        **({"fidelity": table_link(GRADIENT_FIDELITY.name, own.name)} if as_vectors else {}),
    }
