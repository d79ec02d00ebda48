"""One step of a training: the rate, the gradient that somebody else computes, clipping, AdamW.

Belongs here: what every training here does at a step. Does not: batches and losses (``row_model``), checkpoints
(``checkpoint``).
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.95)

Found = TypeVar("Found")


class Stepper:
    """AdamW over the trainable weights of a model; matrices decay, vectors do not.

    Attributes:
        optimizer: for whoever wants to read what it remembers.
    """

    def __init__(self, model: Any, weight_decay: float, clip: float = 1.0) -> None:
        """Take the weights of ``model`` that require a gradient."""
        import torch

        self._model, self._clip = model, clip
        trained = [p for p in model.parameters() if p.requires_grad]
        matrices, others = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._trained = trained
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=BETAS)

    def step(self, rate: float, backward: Callable[[], Found]) -> Found:
        """Take one step and return what ``backward`` returned.

        Args:
            rate: learning rate.
            backward: fills the gradients of the trainable weights, in training mode.
        """
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._model.train()
        self.optimizer.zero_grad(set_to_none=True)
        found = backward()
        torch.nn.utils.clip_grad_norm_(self._trained, self._clip)
        self.optimizer.step()
        return found

    def moments(self) -> "dict[str, torch.Tensor]":
        """Return the state of the optimiser by name, to be given to :meth:`restore`."""
        held = self.optimizer.state_dict()["state"]
        return {f"{i}.{name}": tensor for i, found in held.items() for name, tensor in found.items()}

    def restore(self, moments: "dict[str, torch.Tensor]") -> None:
        """Go on from the state that :meth:`moments` returned."""
        state: dict[int, dict[str, Any]] = {}
        for key, tensor in moments.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def finite(loss: float, what: str, rate: float) -> float:
    """Return a loss.

    Raises:
        FloatingPointError: it is not a number.
    """
    if math.isfinite(loss):
        return loss
    raise FloatingPointError(f"the {what} is {loss}: lower learning_rate ({rate}) or use precision: float32")
