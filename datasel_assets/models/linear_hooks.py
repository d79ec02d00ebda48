"""Gradients of the linear layers of a model, seen while a backward pass runs.

Belongs here: which layers count, the hooks on them, the gradients of rows from what they see. Does not: the passes
(:mod:`~datasel_assets.models.gradients`).

For a linear layer y = W x the gradient of a row's loss is G = sum_t delta_t x_t^T over the row's tokens, with delta_t =
dloss/dy_t. Hooks see x and delta of all rows of a batch, so one backward pass gives the gradients of all its rows, and
G exists for one layer and a part of a batch at a time. Every linear layer inside the blocks counts (q, k, v, o, gate,
up and down of a Llama); embeddings, norms, biases and the head do not.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from datasel_assets.models.forward_hooks import UnsupportedModelError, find_blocks

if TYPE_CHECKING:
    import torch

GRADIENT_NUMBERS = 1 << 24
"""Numbers of G that are held at once, of one layer: 64 MB in float32."""


class Layers(Protocol):
    """Called for each linear layer of a batch while the backward pass runs."""

    def __call__(
        self, module: int, x: "torch.Tensor", delta: "torch.Tensor", real: "torch.Tensor", one_row: bool
    ) -> None:
        """Take what one layer received and the gradient of what it returned.

        Args:
            module: number of the layer.
            x: (B, T, i) inputs.
            delta: (B, T, o) gradients of the outputs, zero on padding.
            real: (B, T) bool, False on padding.
            one_row: the B texts all belong to one row; otherwise each is a row.
        """
        ...


class LinearHooks:
    """Hooks on linear layers that do nothing until :meth:`visited_by`. Several threads may have a pass under way each.

    The weights of the model are frozen: what is differentiated begins at the outputs of the first layers.
    """

    def __init__(self, linears: Mapping[str, Any]) -> None:
        """Put the hooks on.

        Args:
            linears: the layers by name, from :func:`find_linears`.
        """
        self._names = tuple(linears)
        self._local = threading.local()
        for number, module in enumerate(linears.values()):
            module.register_forward_hook(partial(self._on_forward, number))

    @contextmanager
    def visited_by(self, visit: Callable[[int, Any, Any], None]) -> Iterator[None]:
        """Call ``visit(number, x, delta)`` for each layer of the forward and backward pass inside the block.

        Raises:
            UnsupportedModelError: a layer had no part in the loss, or more than one.
        """
        self._local.visit, self._local.seen = visit, set()
        try:
            yield
            seen = self._local.seen
        finally:
            del self._local.visit, self._local.seen
        if lost := [name for number, name in enumerate(self._names) if number not in seen]:
            raise UnsupportedModelError(f"the layer {lost[0]} had no part in the loss; use another model")

    def _on_forward(self, number: int, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Wait for the gradient of what a layer returned."""
        visit = getattr(self._local, "visit", None)
        if visit is None:
            return
        (x,) = inputs
        if x.ndim != 3:
            raise UnsupportedModelError(
                f"the layer {self._names[number]} is shown tokens without their rows (a mixture of experts?), so the "
                "gradients of rows cannot be told apart; use another model"
            )
        if not output.requires_grad:
            output.requires_grad_(True)
        seen = self._local.seen

        def on_backward(delta: Any) -> None:
            if number in seen:
                raise UnsupportedModelError(
                    f"the layer {self._names[number]} is used twice in a pass; use another model"
                )
            seen.add(number)
            visit(number, x.detach(), delta)

        output.register_hook(on_backward)


def find_linears(model: Any) -> dict[str, Any]:
    """Return the linear layers inside the blocks of a model by their names.

    Raises:
        UnsupportedModelError: there are none, as in GPT-2, whose layers are of a class of its own.
    """
    import torch

    inside = {id(module) for block in find_blocks(model) for module in block.modules()}
    found = {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, torch.nn.Linear)
    }
    if not found:
        raise UnsupportedModelError(f"{type(model).__name__} has no linear layers in its blocks; use another model")
    return found


def row_gradients(x: "torch.Tensor", delta: "torch.Tensor", one_row: bool) -> "Iterator[tuple[slice, torch.Tensor]]":
    """Yield (which rows, their gradients (r, o, i) in float32) of one layer, a bounded number at a time.

    Args:
        x: (B, T, i).
        delta: (B, T, o).
        one_row: the B texts are one row, whose gradient is the sum of theirs.
    """
    import torch

    x, delta = x.float(), delta.float()
    if one_row:
        yield slice(0, 1), (delta.flatten(0, 1).T @ x.flatten(0, 1))[None]
        return
    step = max(1, GRADIENT_NUMBERS // (x.shape[2] * delta.shape[2]))
    for start in range(0, len(x), step):
        part = slice(start, min(start + step, len(x)))
        yield part, torch.bmm(delta[part].transpose(1, 2), x[part])


def squared_lengths(x: "torch.Tensor", delta: "torch.Tensor") -> "torch.Tensor":
    """Return the squared lengths (r,) float64 of the gradients of one layer, without forming them.

    |sum_t d_t x_t^T|^2 = sum_{s,t} (d_s . d_t) (x_s . x_t): cheaper where a row has fewer tokens than weights for each.

    Args:
        x: (r, T, i) float32.
        delta: (r, T, o) float32.
    """
    import torch

    both = torch.bmm(x, x.transpose(1, 2)) * torch.bmm(delta, delta.transpose(1, 2))
    return both.sum(dim=2).double().sum(dim=1).clamp(min=0)
