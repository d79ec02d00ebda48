"""Which engine runs an encoder: int8 products, the packed engine or the hooked one.

Belongs here: what is tried in which order, and the check of each engine against the layers that the model itself
reports. Does not: how an engine runs a model (``packed_int8``, ``packed_bert``, ``forward_hooks``), batches
(``encoder``).
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.device import pick_dtype
from datasel_assets.models.forward_hooks import (
    HookedEngine,
    UnsupportedModelError,
    check_layers,
    probe_rows,
    reported_layers,
)
from datasel_assets.models.loading import load_base_model
from datasel_assets.models.packed_bert import PackedBertEngine
from datasel_assets.models.packed_int8 import PackedInt8Engine, cpu_has_int8
from datasel_assets.models.resolve import ResolvedModel
from datasel_assets.specs.encoder import EncoderSpec

if TYPE_CHECKING:
    import torch

LOGGER = logging.getLogger(__name__)

INT8_TOLERANCE = 0.15
"""Relative distance to float32 on the probe, whose few odd tokens hardly average; a wrong layer is near 1 or over."""


@dataclass(frozen=True)
class Loaded:
    """A model with the engine that runs it.

    Attributes:
        model: the model, another one than was given where that was loaded for int8 in vain.
        engine: runs batches of token ids.
        dtype: number format, such as ``bfloat16``; ``int8`` where products are of rounded numbers.
    """

    model: Any
    engine: HookedEngine | PackedBertEngine
    dtype: str


def dtype_to_load(precision: str, device: "torch.device") -> "torch.dtype":
    """Return the torch dtype of the weights; those that may be rounded to int8 are loaded in float32."""
    if precision == "int8":
        precision = "float32" if device.type == "cpu" and cpu_has_int8() else "auto"
    return pick_dtype(precision, device)


def pick_engine(model: Any, resolved: ResolvedModel, spec: EncoderSpec, layers: tuple[int, ...], pad_id: int) -> Loaded:
    """Return the packed engine where it applies and agrees with the model, else the hooked one, which must agree.

    Args:
        model: loaded in :func:`dtype_to_load`, on its device.
        resolved: where it was found, in case it must be loaded again.
        spec: model, pooling and precision.
        layers: indices into the hidden-state tuple, ascending.
        pad_id: token that fills a batch up.

    Raises:
        UnsupportedModelError: the layers of this architecture cannot be read.
    """
    if spec.precision == "int8":
        wrong = "this model, device or processor has no int8 engine"
        if cpu_has_int8() and PackedInt8Engine.supports(model):
            rows, reported = _probe(model, spec.pooling, pad_id)
            rounded = PackedInt8Engine(model, layers, spec.pooling)
            wrong = check_layers(rounded, reported, rows, INT8_TOLERANCE)
            if wrong is None:
                return Loaded(model, rounded, "int8")
        if model.dtype != (auto := pick_dtype("auto", model.device)):
            model = load_base_model(resolved, auto, model.device)
        LOGGER.warning("%s: precision int8 is not used, %s instead: %s", spec.model, _name(model.dtype), wrong)
    rows, reported = _probe(model, spec.pooling, pad_id)
    dtype = _name(model.dtype)
    tolerance = 1e-3 if dtype == "float32" else 5e-2
    if PackedBertEngine.supports(model):
        packed = PackedBertEngine(model, layers, spec.pooling)
        wrong = check_layers(packed, reported, rows, tolerance)
        if wrong is None:
            return Loaded(model, packed, dtype)
        LOGGER.warning("%s: the packed engine is not used: %s", spec.model, wrong)
    hooked = HookedEngine(model, layers, spec.pooling, pad_id)
    wrong = check_layers(hooked, reported, rows, tolerance)
    if wrong is not None:
        raise UnsupportedModelError(f"{spec.model} ({type(model).__name__}): {wrong}; use another model")
    return Loaded(model, hooked, dtype)


def _name(dtype: "torch.dtype") -> str:
    return str(dtype).removeprefix("torch.")


def _probe(model: Any, pooling: str, pad_id: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return two short rows, and the pooled layers that the model itself reports for them."""
    rows = probe_rows(model, pad_id)
    return rows, reported_layers(model, rows, pooling, pad_id)
