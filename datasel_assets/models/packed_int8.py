"""The packed engine with int8 products, for processors that have them: half the time of bfloat16 for each product.

Weights are rounded by output channel, states by token, so that the rows of a batch do not touch each other. What stays
exact or nearly so: embeddings, residuals and norms in float32, attention in bfloat16, sums of products in int32. Two
steps keep vectors near those of float32. A few channels of the states are far larger than the rest; their mean is taken
out before the rounding (and added to the bias), and part of their size moves into the weights (SmoothQuant, arXiv
2211.10438). And GELU, which is hardly negative, is rounded between its least and its largest value. Both need means
and sizes of the states, which come from random tokens: no data, the same numbers every time.

Not here: the loops between the products (:mod:`~datasel_assets.models.int8_kernels`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.packed_bert import Group, PackedBertEngine, groups_of

if TYPE_CHECKING:
    import torch

SAMPLE = (24, 64)
MIGRATION = 0.5
LEAST = 1e-5


def cpu_has_int8() -> bool:
    """Whether torch multiplies int8 matrices with this processor's dot products, and bfloat16 ones (attention)."""
    import torch

    features = torch.cpu.get_capabilities()
    return (
        hasattr(torch.ops.aten, "_int_mm")
        and torch.backends.mkldnn.is_available()
        and bool(features.get("avx512_vnni") or features.get("amx_int8"))
        and bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    )


@dataclass(frozen=True)
class _Linear:
    """A rounded weight: (in, out) int8, and (out,) float32 scales and bias."""

    weight: "torch.Tensor"
    scales: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class _Block:
    """``*_input`` are (gain, offset) that states take before they are rounded; ``*_norm`` are (weight, bias, eps)."""

    qkv_input: tuple[np.ndarray, np.ndarray]
    qkv: _Linear
    out: _Linear
    out_norm: tuple[np.ndarray, np.ndarray, np.float32]
    up_input: tuple[np.ndarray, np.ndarray]
    up: _Linear
    down: _Linear
    down_sums: np.ndarray
    down_norm: tuple[np.ndarray, np.ndarray, np.float32]


class PackedInt8Engine(PackedBertEngine):
    """Pooled hidden states of a BERT-like model whose weights are given in float32."""

    def __init__(self, model: Any, layers: Sequence[int], pooling: str) -> None:
        """Round the weights of the blocks up to the last wanted layer."""
        super().__init__(model, layers, pooling)
        spread = iter(_spread_of_states(model))
        self._blocks = [_round_block(block, self._heads, spread) for block in model.encoder.layer[: self.layers[-1]]]

    def run(self, rows: Sequence[np.ndarray]) -> "list[np.ndarray]":
        """As :meth:`PackedBertEngine.run`."""
        import torch

        from datasel_assets.models import int8_kernels as kernels

        with torch.inference_mode():
            groups = groups_of(rows)
            x = self._embed(np.concatenate(rows), groups)
            pooled = [self._pool(x, groups)] if 0 in self.layers else []
            if self._blocks:
                states, scales = torch.empty(x.shape, dtype=torch.int8), np.empty(len(x), np.float32)
                kernels.quantise(x.numpy(), *self._blocks[0].qkv_input, states.numpy(), scales)
                # the last block rounds for a block that does not exist, which is cheaper than a second kernel
                following = [*self._blocks[1:], self._blocks[-1]]
                for index, (block, then) in enumerate(zip(self._blocks, following, strict=True), start=1):
                    self._step(block, then.qkv_input, x, states, scales, groups)
                    if index in self.layers:
                        pooled.append(self._pool(x, groups))
            return [layer.numpy() for layer in pooled]

    def _step(
        self,
        block: _Block,
        next_input: tuple[np.ndarray, np.ndarray],
        x: "torch.Tensor",
        states: "torch.Tensor",
        scales: np.ndarray,
        groups: Sequence[Group],
    ) -> None:
        """Replace ``x`` (T, h) by what the block makes of it, and ``states`` and ``scales`` by its rounded form."""
        import torch

        from datasel_assets.models import int8_kernels as kernels

        rounded = states.numpy()
        zeros = np.zeros_like(block.down_sums)
        mixed, mixed_scales = self._mix(block.qkv, states, scales, groups)
        sums = torch.ops.aten._int_mm(mixed, block.out.weight).numpy()
        out = (block.out.scales, zeros, block.out.bias)
        kernels.add_norm_quantise(
            sums, mixed_scales, *out, x.numpy(), *block.out_norm, *block.up_input, rounded, scales
        )
        sums = torch.ops.aten._int_mm(states, block.up.weight).numpy()
        inner, inner_scales = torch.empty(sums.shape, dtype=torch.int8), np.empty(len(sums), np.float32)
        kernels.gelu_quantise(sums, scales, block.up.scales, block.up.bias, inner.numpy(), inner_scales)
        sums = torch.ops.aten._int_mm(inner, block.down.weight).numpy()
        down = (block.down.scales, block.down_sums, block.down.bias)
        kernels.add_norm_quantise(sums, inner_scales, *down, x.numpy(), *block.down_norm, *next_input, rounded, scales)

    def _mix(
        self, linear: _Linear, states: "torch.Tensor", scales: np.ndarray, groups: Sequence[Group]
    ) -> "tuple[torch.Tensor, np.ndarray]":
        """Return softmax(q k') v for each row and head, rounded: (T, h) int8 and (T,) scales."""
        import torch

        from datasel_assets.models import int8_kernels as kernels

        sums = torch.ops.aten._int_mm(states, linear.weight).numpy()
        mixed, mixed_scales = torch.zeros_like(states), np.zeros_like(scales)
        heads, size = self._heads, states.shape[1] // self._heads
        for group in groups:
            length = group.length
            for here, rows in group.parts(heads):
                parts = torch.empty((3, rows, heads, length, size), dtype=torch.bfloat16)
                kernels.split_heads(sums[here], scales[here], linear.scales, linear.bias, _bits(parts))
                q, k, v = parts.view(3, rows * heads, length, size)
                scores = torch.bmm(q, k.transpose(1, 2))
                kernels.softmax(_bits(scores).reshape(-1, length))
                context = torch.bmm(scores, v).view(rows, heads, length, size)
                kernels.join_heads(_bits(context), mixed.numpy()[here], mixed_scales[here])
        return mixed, mixed_scales


def _bits(x: "torch.Tensor") -> np.ndarray:
    """The memory of a bfloat16 tensor as uint16."""
    import torch

    return x.view(torch.uint16).numpy()


def _spread_of_states(model: Any) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Mean and largest distance from it of each channel, (h,) each, of the two inputs of each block, in order."""
    import torch

    first = min(1000, model.config.vocab_size // 2)  # special and unused tokens stand before it
    ids = torch.from_numpy(np.random.default_rng(0).integers(first, model.config.vocab_size, SAMPLE))
    found = []

    def note(_module: Any, args: tuple[Any, ...]) -> None:
        states = args[0].flatten(0, 1).float()
        mean = states.mean(0)
        found.append((mean, (states - mean).abs().amax(0)))

    handles = [
        part.register_forward_pre_hook(note)
        for block in model.encoder.layer
        for part in (block.attention.self.query, block.intermediate.dense)
    ]
    try:
        with torch.inference_mode():
            model(input_ids=ids[:, : model.config.max_position_embeddings - 4])
    finally:
        for handle in handles:
            handle.remove()
    return found


def _round_block(block: Any, heads: int, spread: Any) -> _Block:
    import torch

    from datasel_assets.models.int8_kernels import GELU_LOW

    attention, output = block.attention.self, block.attention.output
    shrink = (attention.query.weight.shape[0] // heads) ** -0.5  # scores need no division later
    parts = ((attention.query, shrink), (attention.key, 1.0), (attention.value, 1.0))
    qkv_weight = torch.cat([part.weight * factor for part, factor in parts])
    qkv_bias = torch.cat([part.bias * factor for part, factor in parts])
    qkv_input, qkv = _smoothed(qkv_weight, qkv_bias, *next(spread))
    up_input, up = _smoothed(block.intermediate.dense.weight, block.intermediate.dense.bias, *next(spread))
    down = _rounded(block.output.dense.weight, block.output.dense.bias)
    column_sums = down.weight.sum(0).numpy().astype(np.float32) * down.scales
    # an entry v of GELU stands for (v + 128) * scale - GELU_LOW
    down = _Linear(down.weight, down.scales, down.bias - GELU_LOW * column_sums)
    return _Block(
        qkv_input=qkv_input,
        qkv=qkv,
        out=_rounded(output.dense.weight, output.dense.bias),
        out_norm=_norm(output.LayerNorm),
        up_input=up_input,
        up=up,
        down=down,
        down_sums=np.float32(128) * column_sums,
        down_norm=_norm(block.output.LayerNorm),
    )


def _smoothed(
    weight: "torch.Tensor", bias: "torch.Tensor", mean: "torch.Tensor", largest: "torch.Tensor"
) -> tuple[tuple[np.ndarray, np.ndarray], _Linear]:
    """Return what states take before they are rounded, and the linear layer that makes up for it."""
    size = weight.abs().amax(0).clamp(min=LEAST)
    factor = largest.clamp(min=LEAST) ** MIGRATION / size ** (1 - MIGRATION)
    return ((1 / factor).numpy(), (-mean / factor).numpy()), _rounded(weight * factor, bias + weight @ mean)


def _rounded(weight: "torch.Tensor", bias: "torch.Tensor") -> _Linear:
    import torch

    scales = weight.abs().amax(1).clamp(min=1e-12) / 127
    rounded = torch.round(weight / scales[:, None]).to(torch.int8)
    return _Linear(rounded.t().contiguous(), scales.numpy(), bias.detach().float().numpy())


def _norm(module: Any) -> tuple[np.ndarray, np.ndarray, np.float32]:
    return module.weight.detach().numpy(), module.bias.detach().numpy(), np.float32(module.eps)
