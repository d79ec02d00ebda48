"""The training loop of a proxy language model, with checkpoints from which a killed training goes on.

Belongs here: the optimiser, the rates, the state of a training. Not: which rows are trained on
(:mod:`~datasel_assets.models.proxy_rows`), the folder of the finished model (:mod:`~datasel_assets.models.proxy_lm`).
"""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.models.adam import moments_of
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.atomic import atomic_path, fsync_folder

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]

BETAS = (0.9, 0.95)


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
        import torch

        self.state = _State(0, [], [])
        self._model, self._spec, self._device, self._dtype = model, spec, device, dtype
        self._blocks, self._unseen = blocks, unseen
        self._batch_rows = max(1, min(spec.batch_tokens // blocks.shape[1], len(blocks)))
        self.step_tokens = self._batch_rows * blocks.shape[1]
        self.total_steps = math.ceil(spec.token_budget / self.step_tokens)
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate, betas=BETAS)
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
                loss = _finite(self._evaluate(), f"held-out loss after step {state.step}", spec)
                best = loss < state.best_loss
                state.held_out_losses.append((state.step, loss))
                if best:
                    state.best_step = state.step
                    self._best = {name: tensor.clone() for name, tensor in self._model.state_dict().items()}
                if keep:
                    weights = {name: tensor.cpu() for name, tensor in self._model.state_dict().items()}
                    _write(checkpoints / weights_name(state.step), weights)
                if moments:
                    _write(checkpoints / moments_name(state.step), *moments_of(self._model, self._optimizer))
                self._save(checkpoints, identity)
            if progress is not None:
                progress(state.step, self.total_steps)
        self._model.load_state_dict(self._best)

    def resume(self, checkpoints: Path, identity: str) -> int:
        """Take up the newest checkpoint of this very training; return its step, or 0."""
        from safetensors.torch import load_file

        for folder in sorted(checkpoints.glob("step-*"), reverse=True):
            saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if saved["identity"] != identity:
                continue
            self.state.step = saved["step"]
            self.state.train_losses = saved["train_losses"]
            self.state.held_out_losses = [(step, loss) for step, loss in saved["held_out_losses"]]
            self.state.best_step = saved["best_step"]
            self._model.load_state_dict(load_file(folder / "model.safetensors"))
            self._best = load_file(folder / "best.safetensors", device=str(self._device))
            moments: dict[int, dict[str, Any]] = {}
            for key, tensor in load_file(folder / "optimizer.safetensors").items():
                index, name = key.split(".", 1)
                moments.setdefault(int(index), {})[name] = tensor
            self._optimizer.load_state_dict(
                {"state": moments, "param_groups": self._optimizer.state_dict()["param_groups"]}
            )
            return self.state.step
        if checkpoints.exists():
            shutil.rmtree(checkpoints)
        return 0

    def step(self, step: int) -> float:
        """Take one step of the optimiser; return its loss, in nats."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(step, self.total_steps, self._spec)
        self._model.train()
        loss = self._loss(self._batch(step))
        value = _finite(float(loss.detach()), f"loss of step {step}", self._spec)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        return value

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
        """Write a checkpoint under a temporary name, move it into place, then remove the older ones."""
        from safetensors.torch import save_file

        final = checkpoints / f"step-{self.state.step:09d}"
        temporary = checkpoints / f".{final.name}.tmp"
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir(parents=True)
        save_file(self._model.state_dict(), temporary / "model.safetensors")
        save_file(self._best, temporary / "best.safetensors")
        moments = self._optimizer.state_dict()["state"]
        tensors = {f"{i}.{name}": tensor for i, held in moments.items() for name, tensor in held.items()}
        save_file(tensors, temporary / "optimizer.safetensors")
        state = {
            "identity": identity,
            "step": self.state.step,
            "train_losses": self.state.train_losses,
            "held_out_losses": self.state.held_out_losses,
            "best_step": self.state.best_step,
        }
        (temporary / "state.json").write_text(json.dumps(state), encoding="utf-8")
        flush(temporary)
        older = list(checkpoints.glob("step-*"))
        temporary.replace(final)
        fsync_folder(checkpoints)
        for folder in older:
            shutil.rmtree(folder)


def learning_rate(step: int, total: int, spec: ProxySpec) -> float:
    """Return the rate of ``step`` (from 0): linear warm-up, then half a cosine down to a tenth of the highest."""
    warm = math.ceil(spec.warmup * total)
    if step < warm:
        return spec.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    return spec.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2)


def weights_name(step: int) -> str:
    """Return the name of the weights of one evaluation, kept beside the checkpoints."""
    return f"weights-{step:09d}.safetensors"


def moments_name(step: int) -> str:
    """Return the name of what the optimiser remembered at one evaluation."""
    return f"moments-{step:09d}.safetensors"


def flush(folder: Path) -> None:
    """Bring the files of a folder to the disk."""
    for file in folder.iterdir():
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    fsync_folder(folder)


def _write(file: Path, tensors: "dict[str, torch.Tensor]", said: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        save_file(tensors, temporary, said)


def _finite(loss: float, what: str, spec: ProxySpec) -> float:
    if math.isfinite(loss):
        return loss
    raise FloatingPointError(
        f"the {what} is {loss}: lower learning_rate ({spec.learning_rate}) or use precision: float32"
    )
