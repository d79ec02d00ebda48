"""A causal language model from its folder, split into what computes hidden states and what turns them into logits.

Belongs here: loading, finding the head and checking it against the model's own logits. Not: batches, statistics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.forward_hooks import UnsupportedModelError, probe_rows, right_pad
from datasel_assets.models.loading import max_positions, text_config
from datasel_assets.models.packed_linear import can_pack, pack_linears
from datasel_assets.models.quiet import quiet
from datasel_assets.models.resolve import ModelIntegrityError, ResolvedModel
from datasel_assets.specs.causal import CausalSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CausalParts:
    """A causal model, taken apart.

    Attributes:
        model: the whole model, in evaluation mode.
        body: returns ``last_hidden_state`` (B, T, d), after the final norm.
        head: the linear layer to the vocabulary.
        vocabulary: V, columns of the logits.
        scale: factor on the logits.
        softcap: logits are ``softcap * tanh(logits / softcap)``; 0 where they are left as they are.
        mask: whether padding on the right must be masked.
    """

    model: Any
    body: Any
    head: Any
    vocabulary: int
    scale: float
    softcap: float
    mask: bool

    def states(self, rows: Sequence[np.ndarray], pad_id: int) -> "torch.Tensor":
        """Return the final hidden states (B, T, d) of rows of token ids, padded on the right."""
        ids, real = right_pad(rows, pad_id)
        device = self.model.device
        attention = real.to(device).long() if self.mask and not bool(real.all()) else None
        return self.body(input_ids=ids.to(device), attention_mask=attention, use_cache=False).last_hidden_state

    def logits(self, states: "torch.Tensor") -> "torch.Tensor":
        """Return (p, V) logits of hidden states (p, d)."""
        logits = self.head(states)
        if self.scale != 1:
            logits = logits * self.scale
        if self.softcap:
            logits = (logits / self.softcap).tanh() * self.softcap
        return logits


def load_causal_model(resolved: ResolvedModel, dtype: "torch.dtype", device: "torch.device") -> Any:
    """Return the model with its language-model head, in evaluation mode on ``device``.

    Raises:
        ValueError: the architecture is an encoder-decoder or no causal language model, or needs code from the model's
            own repository.
        ModelIntegrityError: weights are missing from the files.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(resolved.path, **options)
    if config.is_encoder_decoder:
        raise ValueError(
            f"{resolved.path}: {config.model_type} is an encoder-decoder; a causal language model is needed"
        )
    options |= {"config": config, "dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    try:
        with quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(resolved.path, **options)
    except ValueError as error:
        raise ValueError(f"{resolved.path}: {config.model_type} is no causal language model; use another") from error
    model, info = loaded
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelIntegrityError(
            f"{resolved.path}: {len(missing)} weights are missing, the first is {missing[0]!r}: the files are not a "
            "complete causal language model (an encoder has no language-model head)"
        )
    return model.eval().requires_grad_(False).to(device)


def take_apart(model: Any, pad_id: int, tolerance: float, *, pack: bool = True) -> CausalParts:
    """Return the parts of ``model`` after comparing their logits with those of the model itself.

    Args:
        model: from :func:`load_causal_model`.
        pad_id: for padding positions.
        tolerance: largest relative distance of the logits that rounding explains.
        pack: whether weights may be laid out for the CPU's kernels, which have no gradient.

    Raises:
        UnsupportedModelError: the parts do not give the logits of the model.
    """
    import torch

    head, body = model.get_output_embeddings(), model.base_model
    if head is None or body is model:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no separate body and language-model head; use another causal language model"
        )
    config = text_config(model)
    scale = float(getattr(config, "logit_scale", None) or 1) / float(getattr(config, "logits_scaling", None) or 1)
    softcap = float(getattr(config, "final_logit_softcapping", None) or 0)
    rows = probe_rows(model, pad_id)
    with torch.inference_mode():
        own = [model(input_ids=right_pad([row], pad_id)[0].to(model.device), use_cache=False).logits[0] for row in rows]
        vocabulary = own[0].shape[-1]
        changed = rows[0].copy()
        changed[-1] = rows[0][0]
        before = model(input_ids=right_pad([changed], pad_id)[0].to(model.device), use_cache=False).logits[0, :-1]
        if _distance(before, own[0][:-1]) > tolerance:
            raise UnsupportedModelError(
                f"{type(model).__name__} sees the tokens that it should predict, so its losses mean nothing; "
                "use a causal language model"
            )
        if pack and can_pack(model.dtype, model.device):
            pack_linears(model)
        distance = float("inf")
        for mask in (False, True):
            parts = CausalParts(model, body, head, vocabulary, scale, softcap, mask)
            states = parts.states(rows, pad_id)
            mine = [parts.logits(states[i, : len(row)]) for i, row in enumerate(rows)]
            if all(a.shape == b.shape for a, b in zip(mine, own, strict=True)):
                distance = max(_distance(a, b) for a, b in zip(mine, own, strict=True))
            if distance <= tolerance:
                return parts
    raise UnsupportedModelError(
        f"{type(model).__name__}: logits from its hidden states differ from its own by {distance:.2g} "
        f"(allowed {tolerance:.2g}); use another causal language model"
    )


def check_context(model: Any, spec: CausalSpec) -> None:
    """Refuse a context that is longer than the model can place.

    Raises:
        ValueError: it is.
    """
    limit = max_positions(model)
    if limit is not None and spec.max_tokens > limit:
        raise ValueError(f"max_tokens {spec.max_tokens} is more than the {limit} positions of {spec.model}")


def _distance(mine: "torch.Tensor", own: "torch.Tensor") -> float:
    """Return ``|mine - own| / |own|`` over what is finite in ``own``: a model may mask ids, or be broken as such."""
    real = own.isfinite()
    a, b = mine.float()[real], own.float()[real]
    return float((a - b).norm() / b.norm().clamp(min=1e-12))
