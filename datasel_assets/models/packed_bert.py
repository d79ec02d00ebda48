"""BERT-like encoders on the CPU without padding: the rows of a batch lie end to end in one matrix.

Every product runs over real tokens only, query, key and value share one product, bias, GELU and residual are fused
into the products, and attention works on groups of rows of equal length, which need no mask. Same mathematics as
``transformers``' BertModel; the engine is compared with it when the model is loaded.

Not here: other architectures and devices, which take :mod:`datasel_assets.models.forward_hooks`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.arrays.token_batches import packed_cost, plan_packed
from datasel_assets.models.packed_linear import can_pack, pack, packed_linear, packed_linear_add, packed_linear_gelu
from datasel_assets.models.pooling import pool, token_weights

if TYPE_CHECKING:
    import torch

MODEL_TYPES = ("bert", "roberta", "xlm-roberta", "camembert")
SCORE_BYTES = 1_500_000
# oneDNN compiles a kernel for each new matrix shape, about a millisecond; rounding the shape up makes them few.
ROW_MULTIPLE = 16


@dataclass(frozen=True)
class Group:
    """``rows`` consecutive rows of equal ``length``; their tokens start at ``token``."""

    rows: int
    token: int
    length: int

    def parts(self, heads: int) -> Iterator[tuple[slice, int]]:
        """Yield (tokens, rows) of so few rows at a time that their attention scores stay inside the cache."""
        step = max(1, SCORE_BYTES // (4 * heads * self.length * self.length))
        for first in range(0, self.rows, step):
            rows = min(step, self.rows - first)
            start = self.token + first * self.length
            yield slice(start, start + rows * self.length), rows


@dataclass(frozen=True)
class _Block:
    """Packed weights of one block; ``*_norm`` are (weight, bias, eps)."""

    qkv: tuple[Any, Any]
    out: tuple[Any, Any]
    out_norm: tuple[Any, Any, float]
    up: tuple[Any, Any]
    down: tuple[Any, Any]
    down_norm: tuple[Any, Any, float]


class PackedBertEngine:
    """Pooled hidden states of a BERT-like model; see :class:`datasel_assets.models.forward_hooks.HookedEngine`."""

    name = "packed"
    plan = staticmethod(plan_packed)
    cost = staticmethod(packed_cost)

    @staticmethod
    def supports(model: Any) -> bool:
        """Whether ``model`` is of the exact shape that this engine computes, on a device that it computes on."""
        config = model.config
        return (
            config.model_type in MODEL_TYPES
            and config.hidden_act == "gelu"
            and not config.is_decoder
            and not getattr(config, "add_cross_attention", False)
            and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
            and can_pack(model.dtype, model.device)
        )

    def __init__(self, model: Any, layers: Sequence[int], pooling: str) -> None:
        """Pack the weights of the blocks up to the last wanted layer."""
        self.layers = tuple(layers)
        self._pooling = pooling
        self._dtype = model.dtype
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight
        self._places = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
        self._position_pad = embeddings.position_embeddings.padding_idx
        self._norm = _norm(embeddings.LayerNorm)
        self._heads = model.config.num_attention_heads
        self._blocks = [_pack_block(block) for block in model.encoder.layer[: self.layers[-1]]]

    def run(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return one (B, d) float32 array for each of ``layers``.

        Args:
            rows: token ids, at least one for each row; rows of equal length must be neighbours.
        """
        import torch

        with torch.inference_mode():
            groups = groups_of(rows)
            x = self._embed(np.concatenate(rows), groups)
            pooled = [self._pool(x, groups)] if 0 in self.layers else []
            for index, block in enumerate(self._blocks, start=1):
                x = self._apply(block, x, groups)
                if index in self.layers:
                    pooled.append(self._pool(x, groups))
            return [layer.numpy() for layer in pooled]

    def _embed(self, ids: np.ndarray, groups: Sequence[Group]) -> "torch.Tensor":
        """Return the embedding output (T, h), T rounded up with rows that nothing reads."""
        import torch
        from torch.nn.functional import layer_norm

        padded = np.zeros(-(-len(ids) // ROW_MULTIPLE) * ROW_MULTIPLE, np.int64)
        padded[: len(ids)] = ids
        positions = np.zeros_like(padded)
        for group in groups:
            here = slice(group.token, group.token + group.rows * group.length)
            positions[here] = self._positions(padded[here].reshape(group.rows, group.length)).ravel()
        words = self._words[torch.from_numpy(padded)]
        weight, bias, eps = self._norm
        return layer_norm(words + self._places[torch.from_numpy(positions)], words.shape[1:], weight, bias, eps)

    def _positions(self, ids: np.ndarray) -> np.ndarray:
        """Return the row of the position table for each token; RoBERTa counts the ids that are not its padding id."""
        if self._position_pad is None:
            return np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        real = ids != self._position_pad
        return np.cumsum(real, axis=1) * real + self._position_pad

    def _apply(self, block: _Block, x: "torch.Tensor", groups: Sequence[Group]) -> "torch.Tensor":
        from torch.nn.functional import layer_norm

        width = x.shape[1:]
        mixed = self._attend(packed_linear(x, *block.qkv), groups)
        weight, bias, eps = block.out_norm
        x = layer_norm(packed_linear_add(mixed, *block.out, x), width, weight, bias, eps)
        inner = packed_linear_gelu(x, *block.up)
        weight, bias, eps = block.down_norm
        return layer_norm(packed_linear_add(inner, *block.down, x), width, weight, bias, eps)

    def _attend(self, qkv: "torch.Tensor", groups: Sequence[Group]) -> "torch.Tensor":
        """Return softmax(q k' / sqrt(d)) v for each row and head, (T, h) from (T, 3 h).

        Explicit products beat ``scaled_dot_product_attention`` here: its CPU kernel is made for long rows.
        """
        import torch

        tokens, hidden = qkv.shape[0], qkv.shape[1] // 3
        heads, size = self._heads, hidden // self._heads
        mixed = qkv.new_zeros((tokens, hidden))
        unused = qkv.new_empty(1)
        for group in groups:
            length = group.length
            for here, rows in group.parts(heads):
                q, k, v = (
                    qkv[here]
                    .view(rows, length, 3, heads, size)
                    .permute(2, 0, 3, 1, 4)
                    .reshape(3, rows * heads, length, size)
                )
                scores = torch.baddbmm(unused, q, k.transpose(1, 2), beta=0, alpha=size**-0.5)
                shares = torch.softmax(scores.float(), -1).to(self._dtype)
                context = torch.bmm(shares, v).view(rows, heads, length, size)
                mixed[here].view(rows, length, heads, size).copy_(context.transpose(1, 2))
        return mixed

    def _pool(self, x: "torch.Tensor", groups: Sequence[Group]) -> "torch.Tensor":
        import torch

        pooled = []
        for group in groups:
            states = x[group.token : group.token + group.rows * group.length].view(group.rows, group.length, -1)
            weights = token_weights(torch.ones(1, group.length, dtype=torch.bool), self._pooling)
            pooled.append(pool(states, weights.expand(group.rows, -1), padded=False))
        return torch.cat(pooled)


def groups_of(rows: Sequence[np.ndarray]) -> list[Group]:
    """Return the runs of rows of equal length, in order; ``rows`` are (length,) token ids."""
    groups = []
    token = 0
    for length, members in groupby(map(len, rows)):
        count = sum(1 for _ in members)
        groups.append(Group(count, token, length))
        token += count * length
    return groups


def _norm(module: Any) -> tuple[Any, Any, float]:
    return module.weight, module.bias, module.eps


def _pack_block(block: Any) -> _Block:
    import torch

    attention, output = block.attention.self, block.attention.output
    parts = (attention.query, attention.key, attention.value)

    def linear(module: Any) -> tuple[Any, Any]:
        return pack(module.weight), module.bias

    return _Block(
        qkv=(pack(torch.cat([p.weight for p in parts])), torch.cat([p.bias for p in parts])),
        out=linear(output.dense),
        out_norm=_norm(output.LayerNorm),
        up=linear(block.intermediate.dense),
        down=linear(block.output.dense),
        down_norm=_norm(block.output.LayerNorm),
    )
