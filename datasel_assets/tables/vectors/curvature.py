"""The curvature of a model's loss, estimated once for each training of the model.

Belongs here: the table, and reading it for the model that it is of. Does not belong here: the arithmetic
(``models.curvature``), the passes (``models.curvature_fit``).

It is estimated from a hash sample of the pool as it is then, and kept until the model or a key of its file changes, so
that a new row makes its own gradient and touches nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics.gradient_fidelity import block_and_kind
from datasel_assets.models import curvature as maths
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.gradients import GradientsSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Key, StaleTableError, TableInfo
from datasel_assets.tables.forecast import TRIAL_ROWS, WORTH_IT, Forecast, announced, from_costs, timed
from datasel_assets.tables.peak_memory import peak_mb
from datasel_assets.tables.shown import Rows
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.trained_models import causal_spec, model_tables, model_version
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradients import GradientModel

CURVATURE = Kind("curvature")


@dataclass(frozen=True)
class Differentiated:
    """A file of ``gradients/`` with the file of ``language_models/`` that it names.

    Attributes:
        name: of the file of ``gradients/``.
        spec: what it says.
        model: what the file of the model says.
    """

    name: str
    spec: GradientsSpec
    model: LanguageModelSpec

    @classmethod
    def of(cls, warehouse: Warehouse, name: str) -> "Differentiated":
        """Return a file of the registry as it is now."""
        spec = warehouse.registry.gradients[name]
        return cls(name, spec, warehouse.registry.language_models[spec.model])

    @property
    def curvature_key(self) -> Key:
        """Key of the table of the curvature."""
        return (CURVATURE.name, self.name)

    @property
    def identity(self) -> list[Any]:
        """What the gradients depend on besides the weights, as plain values."""
        return [self.model.causal.model_dump(), self.spec.loss]

    def reads(self) -> list[Key]:
        """Return the keys of the tables that the model is made by."""
        return model_tables(self.spec.model, self.model)

    def version(self, warehouse: Warehouse) -> str:
        """Return what tells the weights from others."""
        return model_version(warehouse, self.spec.model, self.model)

    def opening(self, warehouse: Warehouse) -> dict[str, Any]:
        """Return, as plain values, what :func:`open_model` needs."""
        causal = causal_spec(warehouse, self.spec.model, self.model)
        return {"causal": causal.model_dump(mode="json"), "loss": self.spec.loss, "weights": self.version(warehouse)}


def open_model(warehouse: Warehouse, causal: Mapping[str, Any], loss: str, weights: str) -> "GradientModel":
    """Load a model; ``weights`` only says which they were, where a new training took its name."""
    from datasel_assets.models.gradients import GradientModel

    settings = warehouse.settings
    spec = CausalSpec.model_validate(causal)
    return GradientModel(spec, settings.device, loss=loss, base=settings.data)  # type: ignore[arg-type]


def curvature_table(own: Differentiated) -> Table:
    """Return the table of the curvature for one file of ``gradients/``."""
    fingerprint = _fingerprint(own)
    return Table(
        kind=CURVATURE,
        key=own.curvature_key,
        description=(
            f"The curvature of the loss (`{own.spec.loss}`) around the weights of `{own.spec.model}`, layer by layer "
            f"(EK-FAC), from {own.spec.curvature.rows} rows of the pool by the hash of their id. Estimated once for "
            "each training of the model: rows that come later do not change it."
        ),
        group="models",
        reads=[("corpus",), *own.reads()],
        expect=lambda warehouse, source: Expected(
            own.curvature_key, fingerprint, {"model": own.version(warehouse), "corpus": _is_there(warehouse)}
        ),
        build=partial(_build, own),
        runs_model=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        version=fingerprint,
    )


def require_curvature(warehouse: Warehouse, own: Differentiated) -> TableInfo:
    """Return the table of the curvature of the model as it is now.

    Raises:
        MissingTableError: it was never estimated.
        StaleTableError: it is that of another model or another loss.
    """
    info = warehouse.lake.require(own.curvature_key, _fingerprint(own))
    if info.inputs["model"] != own.version(warehouse):
        name = "/".join(own.curvature_key)
        raise StaleTableError(f"{name} is that of another training of {own.spec.model}: materialise {name} again")
    return info


def read_curvature(warehouse: Warehouse, key: Key) -> list[maths.LayerCurvature]:
    """Load the curvature of all layers, in the order of the model."""
    modules = warehouse.lake.require(key).meta["modules"]
    return maths.from_arrays(warehouse.lake.read_arrays(key), modules)


def _is_there(warehouse: Warehouse) -> str:
    """Tell whether there is a pool to take a sample of; which rows it has makes no difference."""
    return "yes" if warehouse.active_sources() else "missing"


def _fingerprint(own: Differentiated) -> str:
    bent = own.spec.curvature
    # The damping is added where the curvature is divided by.
    return digest([CURVATURE.version, *own.identity, bent.rows, bent.seed])


def _build(own: Differentiated, step: Step) -> Built:
    from datasel_assets.models.curvature_fit import fit_curvature

    warehouse = step.warehouse
    rows = _sample(warehouse, own.spec.curvature.rows, own.spec.curvature.seed)
    with open_model(warehouse, **own.opening(warehouse)) as model:
        forecast = announced(step, _forecast(step, model, rows["messages"]))
        layers, used = fit_curvature(model, rows["messages"].to_list())
        modules = list(model.modules)
    parameters = sum(layer.eigenvalues.size for layer in layers)
    info = warehouse.lake.write_arrays(
        step.expected,
        maths.to_arrays(modules, layers),
        data_version=digest([step.expected.fingerprint, own.version(warehouse), ids_digest(rows["row_id"])]),
        meta={"modules": modules, "parameters": parameters, "rows": used},
    )
    shown = {"rows_used": used, "weights": parameters, "layers": len(modules), "energy": _energy(modules, layers)}
    shown |= forecast
    return Built(info, used, metadata=shown, rows_total=used)


def _forecast(step: Step, model: "GradientModel", messages: pl.Series) -> Forecast | None:
    """Return what both passes over the sample will cost; None where the sample is small."""
    from datasel_assets.models.curvature_fit import eigenbases, second_moments, squares_along

    rows = len(messages)
    if rows < WORTH_IT:
        return None
    # Two bases and the eigenvalues of each layer, in float32.
    size = 4 * sum(o * o + i * i + o * i for o, i in model.shapes)
    if known := from_costs(step.warehouse.lake, step.stage, rows, size):
        return known
    some, bases = messages[:: rows // TRIAL_ROWS][:TRIAL_ROWS].to_list(), []
    second_moments(model, some[:2])
    # The eigenvectors cost the same however many rows there are.
    fixed = timed(lambda: bases.extend(eigenbases(*second_moments(model, some[:2]))))
    passes = timed(lambda: (second_moments(model, some), squares_along(model, some, bases)))
    basis = f"{len(some)} rows were measured"
    return Forecast(rows, fixed + passes * rows / len(some), peak_mb() / 1024, size, basis)


def _sample(warehouse: Warehouse, rows: int, seed: int) -> pl.DataFrame:
    """Return ``row_id`` and ``messages`` of a hash sample of the pool, by id."""
    sources = [("corpus", source) for source in warehouse.active_sources()]
    ids = pl.concat(warehouse.lake.scan(key).select("row_id") for key in sources).collect()["row_id"]
    wanted = ids.gather(hash_sample(ids.to_numpy(), rows, seed))
    found = [
        warehouse.lake.scan(key).filter(pl.col("row_id").is_in(wanted.implode())).select("row_id", "messages")
        for key in sources
    ]
    return pl.concat(found).collect().sort("row_id")


def _energy(modules: list[str], layers: list[maths.LayerCurvature]) -> Rows:
    """Return the share of the squared gradients that each block and each kind of layer has."""
    sums = [float(layer.eigenvalues.sum()) for layer in layers]
    total = sum(sums) or 1.0
    found: dict[str, float] = {}
    for name, share in zip(modules, sums, strict=True):
        block, kind = block_and_kind(name)
        for group in (f"block {block}", kind):
            found[group] = found.get(group, 0.0) + share / total
    return Rows({"part": None, "share of the squared gradient": None}, [[k, round(v, 3)] for k, v in found.items()])
