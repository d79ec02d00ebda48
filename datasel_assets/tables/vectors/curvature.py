"""The curvature of a model's loss, estimated once for each training of the model.

Belongs here: which weights a file of ``gradients/`` means, the table, and reading it for the model that it is of. Does
not belong here: the arithmetic
(``models.curvature``), the passes (``models.curvature_fit``).

It is estimated from a hash sample of the pool as it is then, and kept until the model or a key of its file changes, so
that a new row makes its own gradient and touches nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics.gradient_fidelity import block_and_kind
from datasel_assets.models import curvature as maths
from datasel_assets.models.proxy_folder import moments_file
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.gradients import GradientsSpec, kept_by
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Key, StaleTableError, TableInfo
from datasel_assets.tables.forecast import TRIAL_ROWS, WORTH_IT, Forecast, announced, from_costs, timed
from datasel_assets.tables.peak_memory import peak_mb
from datasel_assets.tables.shown import Rows
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.trained_models import (
    causal_spec,
    checkpoint_specs,
    checkpoint_versions,
    checkpoint_weights,
    model_tables,
    model_version,
)
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
        several = ["checkpoints", self.spec.checkpoints] if self.spec.several else []
        return [self.model.causal.model_dump(), self.spec.loss, *several]

    @property
    def stepped(self) -> list[str]:
        """What the gradients of rows depend on besides: whether they are turned into steps of Adam."""
        return ["adam"] if self.spec.optimiser == "adam" else []

    @property
    def numbers(self) -> list[int]:
        """The numbers of the checkpoints in the order of training; of the model itself 0 alone."""
        return self.spec.of_checkpoints(kept_by(self.model)) if self.spec.several else [0]

    def reads(self) -> list[Key]:
        """Return the keys of the tables that the model is made by."""
        return model_tables(self.spec.model, self.model)

    def version(self, warehouse: Warehouse) -> str:
        """Return what tells the weights from others."""
        own = model_version(warehouse, self.spec.model, self.model)
        if not self.spec.several:
            return own
        of = checkpoint_versions(warehouse, self.model, kept_by(self.model))
        return digest([own, *(of[k] for k in self.numbers)])

    def openings(self, warehouse: Warehouse, *, moments: bool = False) -> list[dict[str, Any]]:
        """Return, as plain values, what :func:`open_model` needs for each checkpoint.

        Args:
            warehouse: of the model.
            moments: open it with what Adam remembers.
        """
        name, specs = self.spec.model, [causal_spec(warehouse, self.spec.model, self.model)]
        if self.spec.several:
            kept = checkpoint_specs(warehouse, name, self.model, kept_by(self.model))
            specs = [kept[k] for k in self.numbers]
        own = {"loss": self.spec.loss, "weights": self.version(warehouse), **({"moments": True} if moments else {})}
        return [{"causal": causal.model_dump(mode="json"), **own} for causal in specs]

    def opening(self, warehouse: Warehouse) -> dict[str, Any]:
        """Return, as plain values, what :func:`open_model` needs; of several checkpoints the last."""
        return self.openings(warehouse)[-1]

    def rates(self, warehouse: Warehouse) -> list[float]:
        """Return the weight of each checkpoint: its share of the sum of their learning rates."""
        if not self.spec.several:
            return [1.0]
        rates = checkpoint_weights(warehouse, self.spec.model, self.model, kept_by(self.model))
        wanted = [rates[k] for k in self.numbers]
        return [rate / sum(wanted) for rate in wanted]


def open_model(
    warehouse: Warehouse, causal: Mapping[str, Any], loss: str, weights: str, moments: bool = False
) -> "GradientModel":
    """Load a model; ``weights`` only says which they were, where a new training took its name.

    Raises:
        StaleTableError: the moments of Adam are asked for, and its training kept none.
    """
    from datasel_assets.models.gradients import GradientModel

    settings = warehouse.settings
    spec = CausalSpec.model_validate(causal)
    file = moments_file(Path(spec.model)) if moments else None
    if file is not None and not file.is_file():
        raise StaleTableError(
            f"{file} is absent: the model was trained before anything asked for what Adam remembers; materialise its "
            "proxy_lm table again"
        )
    return GradientModel(spec, settings.device, loss=loss, base=settings.data, moments=file)  # type: ignore[arg-type]


class Models:
    """The models of a file of ``gradients/``, each with what its gradients go into.

    A single one stays loaded; of several one is in memory at a time, which costs little beside a unit of rows.
    """

    def __init__(self, openings: Sequence[Mapping[str, Any]], load: "Callable[..., tuple[GradientModel, Any]]") -> None:
        """Take what opens them; ``load(number, opening)`` gives a model and what its gradients go into."""
        self._openings, self._load = openings, load
        self._held = load(0, openings[0]) if len(openings) == 1 else None

    def __iter__(self) -> "Iterator[tuple[GradientModel, Any]]":
        """Yield them in the order of training."""
        if self._held is not None:
            yield self._held
            return
        for number, opening in enumerate(self._openings):
            model, into = self._load(number, opening)
            with model:
                yield model, into


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
            own.curvature_key, fingerprint, {"model": own.version(warehouse), "corpus": pool_is_there(warehouse)}
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


def read_curvature(warehouse: Warehouse, key: Key, number: int = 0) -> list[maths.LayerCurvature]:
    """Load the curvature of all layers, in the order of the model; ``number``: place among several checkpoints."""
    meta, arrays = warehouse.lake.require(key).meta, warehouse.lake.read_arrays(key)
    if "checkpoints" in meta:
        prefix = _prefix(number)
        arrays = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return maths.from_arrays(arrays, meta["modules"])


def pool_sample(warehouse: Warehouse, rows: int, seed: int) -> pl.DataFrame:
    """Return ``row_id`` and ``messages`` of a hash sample of the pool, by id."""
    ids = pl.concat(warehouse.lake.scan(key).select("row_id") for key in _corpora(warehouse)).collect()["row_id"]
    return rows_named(warehouse, ids.gather(hash_sample(ids.to_numpy(), rows, seed)))


def rows_named(warehouse: Warehouse, ids: pl.Series) -> pl.DataFrame:
    """Return ``row_id`` and ``messages`` of rows of the pool, by id."""
    found = [
        warehouse.lake.scan(key).filter(pl.col("row_id").is_in(ids.implode())).select("row_id", "messages")
        for key in _corpora(warehouse)
    ]
    return pl.concat(found).collect().sort("row_id")


def pool_is_there(warehouse: Warehouse) -> str:
    """Tell whether there is a pool to take a sample of; which rows it has makes no difference."""
    return "yes" if warehouse.active_sources() else "missing"


def _corpora(warehouse: Warehouse) -> list[Key]:
    return [("corpus", source) for source in warehouse.active_sources()]


def _prefix(number: int) -> str:
    return f"{number}/"


def _fingerprint(own: Differentiated) -> str:
    bent = own.spec.curvature
    # The damping is added where the curvature is divided by.
    return digest([CURVATURE.version, *own.identity, bent.rows, bent.seed])


def _build(own: Differentiated, step: Step) -> Built:
    from datasel_assets.models.curvature_fit import fit_curvature

    warehouse = step.warehouse
    rows = pool_sample(warehouse, own.spec.curvature.rows, own.spec.curvature.seed)
    openings = own.openings(warehouse)
    arrays, layers, modules, used, forecast = {}, [], [], 0, {}
    for number, opening in enumerate(openings):
        with open_model(warehouse, **opening) as model:
            if not number:
                forecast = announced(step, _forecast(step, model, rows["messages"], len(openings)))
            layers, used = fit_curvature(model, rows["messages"].to_list())
            modules = list(model.modules)
        prefix = _prefix(number) if own.spec.several else ""
        arrays |= {f"{prefix}{name}": array for name, array in maths.to_arrays(modules, layers).items()}
    parameters = sum(layer.eigenvalues.size for layer in layers)
    several = {"checkpoints": own.numbers} if own.spec.several else {}
    info = warehouse.lake.write_arrays(
        step.expected,
        arrays,
        data_version=digest([step.expected.fingerprint, own.version(warehouse), ids_digest(rows["row_id"])]),
        meta={"modules": modules, "parameters": parameters, "rows": used, **several},
    )
    shown = {"rows_used": used, "weights": parameters, "layers": len(modules), "energy": _energy(modules, layers)}
    shown |= forecast
    return Built(info, used, metadata=shown, rows_total=used)


def _forecast(step: Step, model: "GradientModel", messages: pl.Series, checkpoints: int) -> Forecast | None:
    """Return what both passes over the sample will cost; None where the sample is small."""
    from datasel_assets.models.curvature_fit import eigenbases, second_moments, squares_along

    rows = len(messages)
    if rows < WORTH_IT:
        return None
    # Two bases and the eigenvalues of each layer, in float32.
    size = 4 * checkpoints * sum(o * o + i * i + o * i for o, i in model.shapes)
    if known := from_costs(step.warehouse.lake, step.stage, rows, size):
        return known
    some, bases = messages[:: rows // TRIAL_ROWS][:TRIAL_ROWS].to_list(), []
    second_moments(model, some[:2])
    # The eigenvectors cost the same however many rows there are.
    fixed = timed(lambda: bases.extend(eigenbases(model, some[:2])))
    passes = timed(lambda: (second_moments(model, some), squares_along(model, some, bases)))
    basis = f"{len(some)} rows were measured"
    return Forecast(rows, checkpoints * (fixed + passes * rows / len(some)), peak_mb() / 1024, size, basis)


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
