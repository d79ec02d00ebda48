"""One vector from the hidden states of a row.

Every pooling is a weighted sum over the real tokens, so it is one matrix product, and any padding side is handled in
one place: the weights. Sums run in float32 whatever the model's precision.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def token_weights(mask: "torch.Tensor", pooling: str) -> "torch.Tensor":
    """Return the weight of every token.

    ``weighted_mean`` is SGPT / RDS+ (arXiv 2503.01807): ``w_t = t / (L (L + 1) / 2)`` for the real tokens t = 1..L;
    ``mean`` is ``1 / L``; ``last`` and ``cls`` put everything on the last or first real token.

    Args:
        mask: (B, L) bool, True on real tokens; padding may stand on either side.
        pooling: ``weighted_mean``, ``mean``, ``last`` or ``cls``.

    Returns:
        (B, L) float32; each row sums to 1, and a row without real tokens is all zero.
    """
    import torch

    position = mask.cumsum(1) * mask
    length = mask.sum(1, keepdim=True)
    if pooling == "weighted_mean":
        return position.to(torch.float32) / (length * (length + 1) / 2).clamp(min=1)
    if pooling == "mean":
        return mask.to(torch.float32) / length.clamp(min=1)
    if pooling == "last":
        return (mask & (position == length)).to(torch.float32)
    if pooling == "cls":
        return (position == 1).to(torch.float32)
    raise ValueError(f"pooling {pooling!r} is unknown: use weighted_mean, mean, last or cls")


def pool(hidden: "torch.Tensor", weights: "torch.Tensor", *, padded: bool) -> "torch.Tensor":
    """Return (B, d) float32 sums of ``hidden`` (B, L, d) under ``weights`` (B, L).

    Args:
        hidden: hidden states in any float dtype.
        weights: from :func:`token_weights`.
        padded: whether some weights are zero because of padding. Padding states may overflow to inf in half
            precision, and ``0 * inf`` would spoil the row, so they are zeroed first.
    """
    states = hidden.float()
    if padded:
        states = states.masked_fill((weights == 0).unsqueeze(-1), 0.0)
    return (weights.unsqueeze(1) @ states).squeeze(1)
