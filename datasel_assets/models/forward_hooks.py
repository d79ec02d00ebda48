"""Pooled hidden states of any Hugging Face model: hooks pool while the forward pass runs.

Belongs here: finding the blocks, the layer indices, padding and masks. Not: text, batching policy, loading.

Layer ``i`` of the hidden-state tuple is what block ``i`` *receives*; the last entry is what the base model *returns*,
final norm included. Reading it there needs no knowledge of the architecture, and :func:`check_layers` compares it once
with what the model itself reports.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.models.loading import text_config
from datasel_assets.models.packed_linear import can_pack, pack_linears
from datasel_assets.models.pooling import pool, token_weights

if TYPE_CHECKING:
    import torch

PROBE_LENGTHS = (7, 3)


class UnsupportedModelError(ValueError):
    """The hidden states of this architecture cannot be read in the generic way."""


class _DeepEnoughError(Exception):
    """Ends a forward pass after the last wanted layer."""


def find_blocks(model: Any) -> list[Any]:
    """Return the transformer blocks: the outermost ``nn.ModuleList`` with ``num_hidden_layers`` entries.

    Raises:
        UnsupportedModelError: there is none (for example shared layers, as in ALBERT).
    """
    import torch

    count = text_config(model).num_hidden_layers
    lists = [
        (name.count("."), name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == count
    ]
    if not lists:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no list of its {count} blocks, so its layers cannot be read one by one; "
            "use another model"
        )
    return list(min(lists, key=lambda entry: entry[:2])[2])


class HookedEngine:
    """Runs padded batches through ``model`` and keeps the pooled ``(B, d)`` of the wanted layers alone.

    Safe to use from several threads at once: what a forward pass collects is local to its thread.

    Attributes:
        name: shown in the metadata.
        layers: indices into the hidden-state tuple, ascending.
    """

    name = "hooked"
    plan = staticmethod(plan_padded)
    cost = staticmethod(padded_cost)

    def __init__(self, model: Any, layers: Sequence[int], pooling: str, pad_id: int) -> None:
        """Put hooks on the blocks and find out whether padding needs a mask."""
        self.layers = tuple(layers)
        self._model = model
        self._pooling = pooling
        self._pad_id = pad_id
        self._device = model.device
        self._local = threading.local()
        blocks = find_blocks(model)
        self._n_blocks = len(blocks)
        for index, block in enumerate(blocks[: self.layers[-1] + 1]):
            if index in self.layers:
                block.register_forward_pre_hook(self._hook(index), with_kwargs=True)
        if can_pack(model.dtype, model.device):
            pack_linears(model)
        self._masks = self._padding_is_seen()

    def run(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return one (B, d) float32 array for each of ``layers``.

        Args:
            rows: token ids, at least one for each row.
        """
        import torch

        with torch.inference_mode():
            ids, mask = right_pad(rows, self._pad_id)
            padded = not bool(mask.all())
            mask = mask.to(self._device)
            pooled = self._forward(ids.to(self._device), mask, padded, mask if padded and self._masks else None)
            return list(torch.stack(pooled).cpu().numpy())

    def _forward(
        self, ids: "torch.Tensor", real: "torch.Tensor", padded: bool, attention: "torch.Tensor | None"
    ) -> "list[torch.Tensor]":
        local = self._local
        local.weights, local.padded, local.pooled = token_weights(real, self._pooling), padded, {}
        try:
            output = self._model(input_ids=ids, attention_mask=None if attention is None else attention.long())
            if self.layers[-1] == self._n_blocks:
                local.pooled[self._n_blocks] = pool(output.last_hidden_state, local.weights, padded=padded)
        except _DeepEnoughError:
            pass
        finally:
            pooled = local.pooled
            del local.weights, local.padded, local.pooled
        return [pooled[layer] for layer in self.layers]

    def _hook(self, index: int) -> Any:
        last = index == self.layers[-1]

        def read(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            local = self._local
            if not hasattr(local, "pooled"):
                return
            hidden = args[0] if args else kwargs["hidden_states"]
            local.pooled[index] = pool(hidden, local.weights, padded=local.padded)
            if last:
                raise _DeepEnoughError

        return read

    def _padding_is_seen(self) -> bool:
        """Whether the tokens on the right of a row reach it.

        In a causal model they do not, and leaving out the mask allows the fast attention kernels. Two unmasked
        passes that differ in the padding alone are compared bit by bit.
        """
        import torch

        with torch.inference_mode():
            ids, mask = right_pad(probe_rows(self._model, self._pad_id), self._pad_id)
            ids, mask = ids.to(self._device), mask.to(self._device)
            other = torch.where(mask, ids, ids[0, 0])
            one, two = (self._forward(x, mask, True, None) for x in (ids, other))
            return not all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def right_pad(rows: Sequence[np.ndarray], pad_id: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return ids (B, L) int64 and mask (B, L) bool, True on real tokens.

    Padding stands on the right: positions then count the real tokens from 0 in every architecture.
    """
    import torch

    ids = np.full((len(rows), max(map(len, rows))), pad_id, dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return torch.from_numpy(ids), torch.from_numpy(mask)


def probe_rows(model: Any, pad_id: int) -> list[np.ndarray]:
    """Return two short rows of different length, made of ordinary token ids."""
    vocabulary = text_config(model).vocab_size
    ids = [i for i in range(min(vocabulary, 64)) if i != pad_id][-max(PROBE_LENGTHS) :]
    return [np.resize(np.array(ids[k:], dtype=np.int32), length) for k, length in enumerate(PROBE_LENGTHS)]


def reported_layers(model: Any, rows: Sequence[np.ndarray], pooling: str, pad_id: int) -> list[np.ndarray]:
    """Return the pooled (B, d) float32 of *every* entry of the hidden-state tuple that the model itself reports."""
    import torch

    with torch.inference_mode():
        ids, mask = (tensor.to(model.device) for tensor in right_pad(rows, pad_id))
        output = model(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
        weights = token_weights(mask, pooling)
        return [pool(hidden, weights, padded=True).cpu().numpy() for hidden in output.hidden_states]


def check_layers(
    engine: Any, reported: Sequence[np.ndarray], rows: Sequence[np.ndarray], tolerance: float
) -> str | None:
    """Return what is wrong with the layers of ``engine``, or ``None``.

    Args:
        engine: has ``layers`` and ``run``.
        reported: from :func:`reported_layers` for the same rows.
        rows: token ids, longest first.
        tolerance: largest relative distance ``|a - b| / |b|`` that rounding explains.
    """
    for layer, mine in zip(engine.layers, engine.run(rows), strict=True):
        theirs = reported[layer]
        distance = float(np.linalg.norm(mine - theirs) / max(float(np.linalg.norm(theirs)), 1e-12))
        if not distance <= tolerance:
            return (
                f"layer {layer} differs from the model's own hidden state by {distance:.2g} (allowed {tolerance:.2g})"
            )
    return None
