"""Statistics of next-token distributions from hidden states, without the logits of a whole batch in memory.

Belongs here: the mathematics of one chunk of positions. Not: batches, models.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BLOCK = 64
ROW_MULTIPLE = 16
LEAST_ROWS = 128
LEAST_PIECE = 4
CACHED_ELEMENTS = 1 << 18
LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453

FIELDS = ("logp", "entropy", "top1", "top2", "sum_p2", "el2n", "hit")


def next_token_statistics(
    states: "torch.Tensor",
    targets: "torch.Tensor",
    head: "Callable[[torch.Tensor], torch.Tensor]",
    vocabulary: int,
    max_elements: int,
) -> "torch.Tensor":
    """Return the statistics of P predictions, (7, P) float32 in the order of :data:`FIELDS`.

    Args:
        states: (P, d) final hidden states at the positions before the scored tokens.
        targets: (P,) int64 the scored tokens.
        head: (p, d) hidden states to (p, V) logits.
        vocabulary: V.
        max_elements: logits that exist at one time, or 128 rows of them where that is more: each product reads the
            whole head, which fewer rows do not pay for.
    """
    import torch

    # A multiple of 16: oneDNN compiles a kernel for each new number of rows.
    rows = max(LEAST_ROWS, max_elements // vocabulary)
    rows = min(rows - rows % ROW_MULTIPLE, len(states))
    # The statistics pass over their rows several times: on a CPU in pieces that stay in the cache, in memory that is
    # touched once for all pieces.
    few = rows if states.is_cuda else min(rows, max(LEAST_PIECE, CACHED_ELEMENTS // vocabulary))
    z, e = (torch.empty((few, vocabulary), dtype=torch.float32, device=states.device) for _ in range(2))
    found = torch.empty((len(FIELDS), len(states)), dtype=torch.float32, device=states.device)
    for start in range(0, len(states), rows or 1):
        logits = head(states[start : start + rows])
        for first in range(0, len(logits), few):
            piece = logits[first : first + few]
            here = slice(start + first, start + first + len(piece))
            z[: len(piece)].copy_(piece)
            found[:, here] = logit_statistics(z[: len(piece)], targets[here], e[: len(piece)])
    return found


def logit_statistics(z: "torch.Tensor", targets: "torch.Tensor", e: "torch.Tensor | None" = None) -> "torch.Tensor":
    """Return (7, P) float32 statistics of the softmax of ``z``; ``z`` is overwritten.

    With ``m`` the largest logit, ``e = exp(z - m)`` and ``S = sum e``: ``log p_y = z_y - m - log S``, entropy
    ``log S - sum(e (z - m)) / S``. The target is taken out of the sums first, because
    ``||p - onehot||^2 = (1 - p_y)^2 + sum_{v != y} p_v^2`` has no cancellation, other than ``sum p^2 - 2 p_y + 1``.

    Args:
        z: (P, V) float32 logits.
        targets: (P,) int64.
        e: (P, V) float32 memory to work in.
    """
    import torch

    highest, second = two_largest(z)
    column = targets.unsqueeze(1)
    z.sub_(highest.unsqueeze(1))
    own = z.gather(1, column).squeeze(1)
    # exp2 is several times as fast as exp on a CPU.
    e = torch.exp2(z.mul_(LOG2_E), out=e)
    own_e = e.gather(1, column).squeeze(1)
    e.scatter_(1, column, 0.0)
    rest = e.sum(1)
    rest_squares = torch.linalg.vector_norm(e, dim=1).square_()
    total = rest + own_e
    weighted = e.mul_(z).sum(1)
    if bool(torch.isnan(weighted).any()):
        # A vocabulary entry that a model masks with -inf has p log p = 0, which 0 * -inf is not.
        weighted = torch.where(torch.isnan(total), weighted, e.nansum(1))
    weighted = LN_2 * weighted + torch.where(own_e > 0, own_e * own, 0.0)
    log_total = torch.where(own == 0, rest.log1p(), total.log())
    hit = own == 0
    tied = hit & (second == highest)
    if bool(tied.any()):
        hit[tied] = z[tied].argmax(1) == targets[tied]
    return torch.stack(
        [
            own - log_total,
            log_total - weighted / total,
            1 / total,
            (second - highest).exp() / total,
            (rest_squares + own_e.square()) / total.square(),
            (rest.square() + rest_squares).sqrt() / total,
            hit.float(),
        ]
    )


def two_largest(z: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the largest and the second largest entry of each row of ``z`` (P, V), V at least 2; they may be equal.

    Maxima of blocks are one fast pass over ``z``; the second largest entry is the largest of another block, or the
    second of the best block. ``topk`` over the row costs several times as much on a CPU.
    """
    import torch

    width = z.shape[1] - z.shape[1] % BLOCK
    if width < 2 * BLOCK:
        top = z.topk(2, 1).values
        return top[:, 0], top[:, 1]
    blocks = z[:, :width].unflatten(1, (-1, BLOCK))
    maxima = blocks.amax(2)
    best = maxima.topk(2, 1)
    inside = blocks.gather(1, best.indices[:, :1, None].expand(-1, 1, BLOCK)).squeeze(1).topk(2, 1).values
    candidates = [inside, best.values[:, 1:]]
    if width < z.shape[1]:
        candidates.append(z[:, width:].topk(min(2, z.shape[1] - width), 1).values)
    top = torch.cat(candidates, 1).topk(2, 1).values
    return top[:, 0], top[:, 1]
