"""What Adam remembers of a training, and the step that it would take on a row.

Belongs here: keeping the moments of the optimiser by the names of the parameters, and their arithmetic on gradients.
Does not: the training (:mod:`~datasel_assets.models.proxy_training`), where the file lies
(:mod:`~datasel_assets.models.proxy_folder`), the passes (:mod:`~datasel_assets.models.gradients`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

FIRST, SECOND = "first", "second"
"""The running means of the gradients, and of their squares."""

SAID = "adam"
"""In the header of a file of moments: the constants of the optimiser."""


@dataclass(frozen=True, eq=False)
class Adam:
    """The state of Adam when it had the weights of a model, for each of its linear layers.

    Attributes:
        first: (o, i) running means of the gradients, float32.
        second: (o, i) running means of their squares.
        betas: how much of the old mean stays in a step, of ``first`` and of ``second``.
        epsilon: added to the second moment before its root is taken.
    """

    first: "tuple[torch.Tensor, ...]"
    second: "tuple[torch.Tensor, ...]"
    betas: tuple[float, float]
    epsilon: float

    def step(self, module: int, gradient: "torch.Tensor") -> "torch.Tensor":
        """Return what Adam would step along if the next gradients of one layer were these (r, o, i).

        (b1 m + (1 - b1) g) / sqrt(b2 v + (1 - b2) g^2 + eps), as the code of LESS has it (arXiv 2402.04333, section
        2.2): epsilon inside the root and no correction of the bias, which is one factor for all rows.
        """
        first = self.first[module].lerp(gradient, 1 - self.betas[0])
        second = self.second[module].lerp(gradient.square(), 1 - self.betas[1])
        return first.div_(second.add_(self.epsilon).sqrt_())

    def divide(self, gradients: np.ndarray) -> np.ndarray:
        """Return whole gradients (m, sum of o * i) over sqrt(v + eps): the linear part of a step.

        Raises:
            ValueError: they are of another model.
        """
        import torch

        flat = torch.cat([second.flatten() for second in self.second]).double().cpu().numpy()
        if len(flat) != gradients.shape[1]:
            raise ValueError(f"gradients of {gradients.shape[1]:,} numbers and moments of {len(flat):,}: two models")
        return gradients / np.sqrt(flat + self.epsilon)


def moments_of(model: Any, optimizer: Any) -> "tuple[dict[str, torch.Tensor], dict[str, str]]":
    """Return the moments of a model's parameters by name, and what else a step needs, as JSON."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    tensors: dict[str, torch.Tensor] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            held = optimizer.state[parameter]
            tensors[f"{names[id(parameter)]}.{FIRST}"] = held["exp_avg"].cpu()
            tensors[f"{names[id(parameter)]}.{SECOND}"] = held["exp_avg_sq"].cpu()
    group = optimizer.param_groups[0]
    # One entry: those of several stand in another order in every process, and equal trainings give equal bytes.
    return tensors, {SAID: json.dumps({"betas": list(group["betas"]), "epsilon": group["eps"]})}


def read_adam(file: Path, modules: Sequence[str], device: "torch.device | str" = "cpu") -> Adam:
    """Read the moments of linear layers from what :func:`moments_of` gave.

    Args:
        file: safetensors.
        modules: names of the layers, in the order of the model.
        device: where they go.

    Raises:
        FileNotFoundError: the training kept none.
        ValueError: they are those of another model.
    """
    from safetensors import safe_open

    if not file.is_file():
        raise FileNotFoundError(f"{file} is absent: the training of this model kept no moments of Adam")
    with safe_open(file, "pt", device=str(device)) as kept:
        names = set(kept.keys())
        lost = [name for name in modules if f"{name}.weight.{SECOND}" not in names]
        if lost:
            raise ValueError(f"{file} has no moments of the layer {lost[0]}: it was written for another model")
        first, second = (
            tuple(kept.get_tensor(f"{name}.weight.{which}") for name in modules) for which in (FIRST, SECOND)
        )
        said = json.loads(kept.metadata()[SAID])
    return Adam(first, second, (said["betas"][0], said["betas"][1]), said["epsilon"])
