"""The training of a proxy language model on blocks of tokens, with checkpoints from which a killed training goes on.

Belongs here: the order of the blocks, the held-out loss, when the training ends. Not: the step itself and checkpoints
(:mod:`datasel_assets.models.train`), which rows are trained on (:mod:`~datasel_assets.models.proxy_rows`), the folder
of the finished model (:mod:`~datasel_assets.models.proxy_lm`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.adam import moments_of
from datasel_assets.models.train.checkpoint import newest, save
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.models.train.stepper import Stepper, finite
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.atomic import atomic_path

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]


@dataclass
class _State:
    """Where a training stands; what a checkpoint holds beside the tensors."""

    step: int
    train_losses: list[float]
    held_out_losses: list[tuple[int, float]]
    best_step: int = 0

    @property
    def best_loss(self) -> float:
        return dict(self.held_out_losses).get(self.best_step, math.inf)

    def worse_in_a_row(self) -> int:
        return sum(step > self.best_step for step, _ in self.held_out_losses)


class Trainer:
    """The training loop; what it does at a step follows from the step, the state and the data alone."""

    def __init__(
        self,
        model: Any,
        spec: ProxySpec,
        blocks: np.ndarray,
        unseen: np.ndarray,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> None:
        self.state = _State(0, [], [])
        self._model, self._spec, self._device, self._dtype = model, spec, device, dtype
        self._blocks, self._unseen = blocks, unseen
        self._batch_rows = max(1, min(spec.batch_tokens // blocks.shape[1], len(blocks)))
        self.step_tokens = self._batch_rows * blocks.shape[1]
        self.total_steps = math.ceil(spec.token_budget / self.step_tokens)
        self._stepper = Stepper(model, spec.weight_decay)
        self._best: dict[str, torch.Tensor] = {}

    def run(
        self,
        checkpoints: Path,
        identity: str,
        progress: Progress | None,
        *,
        keep: bool = False,
        moments: bool = False,
    ) -> None:
        """Train to the end and leave the best weights in the model.

        Args:
            checkpoints: folder from which a killed training goes on.
            identity: what tells this training from others.
            progress: called after each step.
            keep: keep the weights of each evaluation.
            moments: keep what the optimiser remembers at each evaluation.
        """
        spec, state = self._spec, self.state
        while state.step < self.total_steps and state.worse_in_a_row() < spec.patience:
            state.train_losses.append(self.step(state.step))
            state.step += 1
            if state.step % spec.eval_steps == 0 or state.step == self.total_steps:
                found = self._evaluate()
                loss = finite(found, f"held-out loss after step {state.step}", spec.learning_rate)
                best = loss < state.best_loss
                state.held_out_losses.append((state.step, loss))
                if best:
                    state.best_step = state.step
                    self._best = {name: tensor.clone() for name, tensor in self._model.state_dict().items()}
                if keep:
                    weights = {name: tensor.cpu() for name, tensor in self._model.state_dict().items()}
                    _write(checkpoints / weights_name(state.step), weights)
                if moments:
                    _write(checkpoints / moments_name(state.step), *moments_of(self._model, self._stepper.optimizer))
                self._save(checkpoints, identity)
            if progress is not None:
                progress(state.step, self.total_steps)
        self._model.load_state_dict(self._best)

    def resume(self, checkpoints: Path, identity: str) -> int:
        """Take up the newest checkpoint of this very training; return its step, or 0."""
        found = newest(checkpoints, identity)
        if found is None:
            return 0
        self.state.step = found.state["step"]
        self.state.train_losses = found.state["train_losses"]
        self.state.held_out_losses = [(step, loss) for step, loss in found.state["held_out_losses"]]
        self.state.best_step = found.state["best_step"]
        self._model.load_state_dict(found.tensors("model"))
        self._best = found.tensors("best", str(self._device))
        self._stepper.restore(found.tensors("optimizer"))
        return self.state.step

    def step(self, step: int) -> float:
        """Take one step of the optimiser; return its loss, in nats."""
        spec = self._spec

        def backward() -> float:
            loss = self._loss(self._batch(step))
            value = finite(float(loss.detach()), f"loss of step {step}", spec.learning_rate)
            loss.backward()
            return value

        return self._stepper.step(learning_rate(step, self.total_steps, spec.learning_rate, spec.warmup), backward)

    def _batch(self, step: int) -> np.ndarray:
        """Return the blocks of a step: each epoch is a permutation of its own."""
        n, seed = len(self._blocks), self._spec.seed
        places = [divmod(place, n) for place in range(step * self._batch_rows, (step + 1) * self._batch_rows)]
        orders = {epoch: np.random.default_rng([seed, epoch]).permutation(n) for epoch, _ in places}
        return self._blocks[[orders[epoch][place] for epoch, place in places]]

    def _evaluate(self) -> float:
        """Return the mean held-out loss of a token, in nats."""
        import torch

        self._model.eval()
        total = 0.0
        with torch.inference_mode():
            for start in range(0, len(self._unseen), self._batch_rows):
                batch = self._unseen[start : start + self._batch_rows]
                total += float(self._loss(batch)) * len(batch)
        return total / len(self._unseen)

    def _loss(self, batch: np.ndarray) -> "torch.Tensor":
        import torch

        ids = torch.from_numpy(batch).to(self._device)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            return self._model(input_ids=ids, labels=ids, use_cache=False).loss

    def _save(self, checkpoints: Path, identity: str) -> None:
        """Write where the training stands."""
        tensors = {"model": self._model.state_dict(), "best": self._best, "optimizer": self._stepper.moments()}
        state = {
            "train_losses": self.state.train_losses,
            "held_out_losses": self.state.held_out_losses,
            "best_step": self.state.best_step,
        }
        save(checkpoints, self.state.step, identity, tensors, state)


def weights_name(step: int) -> str:
    """Return the name of the weights of one evaluation, kept beside the checkpoints."""
    return f"weights-{step:09d}.safetensors"


def moments_name(step: int) -> str:
    """Return the name of what the optimiser remembered at one evaluation."""
    return f"moments-{step:09d}.safetensors"


def _write(file: Path, tensors: "dict[str, torch.Tensor]", said: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        save_file(tensors, temporary, said)
