"""A training whose rows are chosen round by round, by whoever looks at the losses that it reads.

Belongs here: one pass over the rows of a round, what each step did, checkpoints between rounds. Does not: which rows
come next (``bandits``), the pass itself (``row_model``).

Whatever is random at a step follows from the seed and the number of the step, so a checkpoint holds weights, moments of
the optimiser and the number of steps, and goes on to the very weights that an unbroken training has.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasel_assets.models.contexts import Conversation
from datasel_assets.models.train.checkpoint import newest, save
from datasel_assets.models.train.row_model import RowModel, TurnLosses
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.models.train.step_watch import StepWatch
from datasel_assets.models.train.stepper import Stepper, finite
from datasel_assets.models.train.texts import Texts
from datasel_assets.models.train.training import evaluate, seed_of, split_evenly

PARTS = 10_000
"""A learning rate goes by the share of the training that is done, in parts of it."""


@dataclass(frozen=True, eq=False)
class Presented:
    """What a pass over the m rows of a round has read and done.

    Attributes:
        losses: (m,) mean loss of a token of each row before its step; NaN for a row without one.
        change: (m,) inner product of the gradient of its step with what the optimiser did; NaN where it was not asked
            for.
        gradient: mean of the gradients of the steps, as ``StepWatch.sketch`` gives them; None where not asked for.
        rate: the learning rate.
        seconds: wall time.
    """

    losses: np.ndarray
    change: np.ndarray
    gradient: np.ndarray | None
    rate: float
    seconds: float


class RoundTraining:
    """A training of one model in rounds.

    Attributes:
        steps: that were taken.
    """

    def __init__(
        self, model: RowModel, *, change: bool = False, gradients: bool = False, restarts: bool = False
    ) -> None:
        """Prepare a training; nothing is trained yet.

        Args:
            model: whose weights are trained; its ``training`` says how.
            change: also tell how far each step went along its gradient.
            gradients: also tell the mean gradient of a round.
            restarts: remember the first weights for :meth:`restart`.
        """
        self._model, self._spec = model, model.training
        self._stepper = Stepper(model.model, self._spec.weight_decay, self._spec.clip)
        self._watch = StepWatch(model.model, self._spec.seed) if change or gradients else None
        self._gradients = gradients
        self._first = {name: p.clone() for name, p in model.trained_state().items()} if restarts else None
        self.steps = 0

    def restart(self) -> None:
        """Go back to the first weights and forget the moments of the optimiser; steps go on being counted.

        Raises:
            ValueError: they were not remembered.
        """
        if self._first is None:
            raise ValueError("the first weights were not remembered: say restarts=True")
        self._model.load_trained(self._first)
        self._stepper = Stepper(self._model.model, self._spec.weight_decay, self._spec.clip)

    def rate(self, done: float) -> float:
        """Return the learning rate when a share ``done`` of the training lies behind."""
        spec = self._spec
        at = min(PARTS - 1, int(done * PARTS))
        return learning_rate(at, PARTS, spec.learning_rate, spec.warmup, spec.schedule)

    def train(self, conversations: Sequence[Conversation], done: float) -> Presented:
        """Train once on each of some rows.

        Args:
            conversations: m of them.
            done: share of the whole training that lies behind, from 0 to 1; the learning rate goes by it.
        """
        started = time.perf_counter()
        texts, rate = self._model.texts(conversations), self.rate(done)
        losses, change = np.full((2, len(conversations)), np.nan)
        sketches = []
        rows = np.flatnonzero(texts.tokens > 0)
        order = np.random.default_rng([self._spec.seed, self.steps]).permutation(rows)
        for part in split_evenly(texts.lengths, order, self._spec.batch_tokens) if len(order) else ():
            found = self._step(texts, part, rate)
            own, place = np.unique(found.row, return_inverse=True)
            losses[own] = np.bincount(place, found.loss) / np.bincount(place, found.tokens)
            if self._watch is not None:
                change[part] = self._watch.after()
                sketches += [self._watch.sketch()] if self._gradients else []
        gradient = np.mean(sketches, axis=0) if sketches else None
        return Presented(losses, change, gradient, rate, time.perf_counter() - started)

    def worth(self, probes: Sequence[Conversation], reference: Texts, rate: float) -> np.ndarray:
        """Return (m,) how far a step on each of some rows alone lowers the loss of other rows; NaN without a response.

        The step is that of the optimiser as it stands; weights and moments are put back after each.

        Args:
            probes: m rows.
            reference: the rows whose mean loss of a token counts.
            rate: learning rate of the step.
        """
        weights = {name: p.clone() for name, p in self._model.trained_state().items()}
        moments = {name: p.clone() for name, p in self._stepper.moments().items()}
        before, steps = self.held_out_loss(reference), self.steps
        found = np.full(len(probes), np.nan)
        texts = self._model.texts(probes)
        for row in np.flatnonzero(texts.tokens > 0):
            self._step(texts, np.array([row]), rate)
            found[row] = before - self.held_out_loss(reference)
            self._model.load_trained(weights)
            self._stepper.restore({name: p.clone() for name, p in moments.items()})
            self.steps = steps
        return found

    def held_out_loss(self, texts: Texts) -> float:
        """Return the mean loss of a token that is learned, in evaluation mode; NaN without one."""
        losses = evaluate(self._model, texts).values["loss"][0]
        known = np.isfinite(losses)
        return float(np.average(losses[known], weights=texts.tokens[known])) if known.any() else float("nan")

    def save(self, checkpoints: Path, identity: str, state: Mapping[str, Any]) -> None:
        """Write where the training stands, with ``state`` of whoever chooses the rows."""
        tensors = {
            "model": {name: tensor.contiguous() for name, tensor in self._model.trained_state().items()},
            "optimizer": self._stepper.moments(),
        }
        save(checkpoints, self.steps, identity, tensors, {"chooser": dict(state)})

    def resume(self, checkpoints: Path, identity: str) -> Mapping[str, Any] | None:
        """Go on from what :meth:`save` has written of this very training, and return its ``state``; None: nothing."""
        found = newest(checkpoints, identity)
        if found is None:
            return None
        device = str(self._model.device)
        self._model.load_trained(found.tensors("model", device))
        self._stepper.restore(found.tensors("optimizer", device))
        self.steps = found.state["step"]
        return found.state["chooser"]

    def _step(self, texts: Texts, rows: np.ndarray, rate: float) -> TurnLosses:
        import torch

        own = [text for row in rows for text in texts.of_row[row]]
        tokens = texts.tokens[rows]
        each = np.ones(len(rows)) if self._spec.loss == "tokens" else 1 / tokens
        of_row = dict(zip(rows.tolist(), (each / (each * tokens).sum()).tolist(), strict=True))
        devices = [self._model.device] if self._model.device.type == "cuda" else []

        def backward() -> TurnLosses:
            found = self._model.backward(own, np.array([of_row[text.row] for text in own]))
            finite(found.mean, f"loss of step {self.steps}", self._spec.learning_rate)
            if self._watch is not None:
                self._watch.before()
            return found

        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_of(self._spec.seed, self.steps))
            found = self._stepper.step(rate, backward)
        self.steps += 1
        return found
