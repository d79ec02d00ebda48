"""A training over rows, epoch by epoch, that goes on after a kill to the very weights it would have had.

Belongs here: the order of rows, which of them make a step, what is remembered of every presentation, checkpoints. Does
not: the pass (``row_model``), the step (``stepper``), what is made of the records (``indicators.dynamics``).

Whatever is random at a step follows from the seed and the number of the step, so a checkpoint holds weights, moments of
the optimiser, the number of the next step and the records so far, and no state of a generator.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasel_assets.models.train.checkpoint import newest, save
from datasel_assets.models.train.row_model import RowModel, TurnLosses
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.models.train.stepper import Stepper, finite
from datasel_assets.models.train.texts import Text, Texts

FIELDS = ("loss", "hit", "confidence", "el2n")
"""What is remembered of a row at each presentation: means over its learned tokens."""

EVALUATED_TOKENS = 16_384

Progress = Callable[[int, int], None]


@dataclass(eq=False)
class Trace:
    """What was said of each of n rows at each of E presentations, before the step that the row was part of.

    Attributes:
        values: field of :data:`FIELDS` -> (E, n) float32, NaN where the row was not presented.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def empty(cls, epochs: int, rows: int) -> "Trace":
        """Return a trace that nothing was written into yet."""
        return cls({name: np.full((epochs, rows), np.nan, np.float32) for name in FIELDS})

    def note(self, epoch: int, found: TurnLosses) -> None:
        """Write what a pass said of the rows in it."""
        rows, place = np.unique(found.row, return_inverse=True)
        tokens = np.bincount(place, found.tokens)
        sums = (found.loss, found.hits, found.confidence, found.el2n)
        for name, values in zip(FIELDS, sums, strict=True):
            self.values[name][epoch, rows] = np.bincount(place, values) / tokens


class RowTraining:
    """A training of one model on rows: an epoch presents every row once, in an order of its own.

    Attributes:
        total_steps: of all epochs.
        done: steps that were taken.
        trace: what was said of each row in each epoch.
        losses: mean loss of a learned token of each step.
    """

    def __init__(
        self,
        model: RowModel,
        texts: Texts,
        epochs: int,
        *,
        weights: np.ndarray | None = None,
        el2n: bool = False,
        salt: int = 0,
    ) -> None:
        """Prepare a training; nothing is trained yet.

        Args:
            model: whose weights are trained; its ``training`` says how.
            texts: of n rows.
            epochs: how often each row is presented.
            weights: (n,) of each row, at least 0; a row of weight 0 is left out. None: all weigh the same.
            el2n: also remember the EL2N of each row.
            salt: tells the orders of several trainings of one seed apart.

        Raises:
            ValueError: no row has a learned token, or a weight is negative or no number.
        """
        self._model, self._texts, self._epochs, self._el2n, self._salt = model, texts, epochs, el2n, salt
        self._spec = model.training
        n = len(texts.of_row)
        self._weights = np.ones(n) if weights is None else np.asarray(weights, np.float64)
        if not (np.isfinite(self._weights).all() and (self._weights >= 0).all()):
            raise ValueError("weights of rows must be numbers of at least 0")
        self._rows = np.flatnonzero((texts.tokens > 0) & (self._weights > 0))
        if not len(self._rows):
            raise ValueError(f"none of {n:,} rows has a response token to learn: nothing to train on")
        self._steps = [steps for epoch in range(epochs) for steps in self._of_epoch(epoch)]
        self.total_steps = len(self._steps)
        self._stepper = Stepper(model.model, self._spec.weight_decay, self._spec.clip)
        self.done, self.losses, self.trace = 0, [], Trace.empty(epochs, n)

    def run(
        self,
        checkpoints: Path | None = None,
        identity: str = "",
        progress: Progress | None = None,
        *,
        every: int = 50,
        after_epoch: Callable[[int], None] | None = None,
    ) -> int:
        """Train to the end; return the step that a checkpoint let it start from.

        Args:
            checkpoints: folder for checkpoints, kept after the end for whoever publishes the result; None: none.
            identity: what tells this training from others.
            progress: called with (steps done, steps in all).
            every: steps between checkpoints; one is also written at the end of each epoch.
            after_epoch: called with the number of an epoch that has just ended, before its checkpoint.
        """
        resumed = self._resume(checkpoints, identity) if checkpoints else 0
        while self.done < self.total_steps:
            epoch, _ = self._steps[self.done]
            self.losses.append(self.step())
            ends = self.done == self.total_steps or self._steps[self.done][0] > epoch
            if ends and after_epoch is not None:
                after_epoch(epoch)
            if checkpoints and (ends or self.done % every == 0):
                self._save(checkpoints, identity)
            if progress is not None:
                progress(self.done, self.total_steps)
        return resumed

    def step(self) -> float:
        """Take the next step; return the mean loss of a learned token before it, in nats."""
        import torch

        spec = self._spec
        epoch, rows = self._steps[self.done]
        texts = [text for row in rows for text in self._texts.of_row[row]]
        each = self._of_tokens(rows)
        rate = learning_rate(self.done, self.total_steps, spec.learning_rate, spec.warmup, spec.schedule)
        devices = [self._model.device] if self._model.device.type == "cuda" else []

        def backward() -> TurnLosses:
            found = self._model.backward(texts, np.array([each[text.row] for text in texts]), el2n=self._el2n)
            finite(found.mean, f"loss of step {self.done}", spec.learning_rate)
            return found

        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_of(spec.seed, self._salt, self.done))
            found = self._stepper.step(rate, backward)
        self.trace.note(epoch, found)
        self.done += 1
        return found.mean

    def _of_tokens(self, rows: np.ndarray) -> dict[int, float]:
        """Return row -> weight of each of its tokens; over all tokens of the step the weights add up to 1."""
        tokens, weights = self._texts.tokens[rows], self._weights[rows]
        each = weights if self._spec.loss == "tokens" else weights / tokens
        return dict(zip(rows.tolist(), (each / (each * tokens).sum()).tolist(), strict=True))

    def _of_epoch(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """Return the steps of an epoch: its rows in an order of their own, cut into steps."""
        order = np.random.default_rng([self._spec.seed, self._salt, epoch]).permutation(self._rows)
        return [(epoch, part) for part in split_evenly(self._texts.lengths, order, self._spec.batch_tokens)]

    def _resume(self, checkpoints: Path, identity: str) -> int:
        found = newest(checkpoints, identity)
        if found is None:
            return 0
        device = str(self._model.device)
        self._model.load_trained(found.tensors("model", device))
        self._stepper.restore(found.tensors("optimizer", device))
        self.trace = Trace({name: tensor.numpy() for name, tensor in found.tensors("trace").items()})
        self.done, self.losses = found.state["step"], found.state["losses"]
        return self.done

    def _save(self, checkpoints: Path, identity: str) -> None:
        import torch

        tensors = {
            "model": {name: tensor.contiguous() for name, tensor in self._model.trained_state().items()},
            "optimizer": self._stepper.moments(),
            "trace": {name: torch.from_numpy(values) for name, values in self.trace.values.items()},
        }
        save(checkpoints, self.done, identity, tensors, {"losses": self.losses})


def evaluate(model: RowModel, texts: Texts, *, el2n: bool = False) -> Trace:
    """Return what the model says of each row in evaluation mode, as a trace of one epoch."""
    trace = Trace.empty(1, len(texts.of_row))
    order = np.argsort(-texts.lengths, kind="stable")
    order = order[texts.tokens[order] > 0]
    for rows in split_evenly(texts.lengths, order, EVALUATED_TOKENS) if len(order) else ():
        own: Sequence[Text] = [text for row in rows for text in texts.of_row[row]]
        trace.note(0, model.losses(own, el2n=el2n))
    return trace


def split_evenly(lengths: np.ndarray, rows: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Return rows in pieces of about ``tokens`` tokens, all of them about as long.

    Args:
        lengths: (n,) tokens of each row.
        rows: (k,) of them, in order.
        tokens: of a piece.
    """
    ends = np.cumsum(lengths[rows])
    pieces = max(1, round(int(ends[-1]) / tokens))
    bounds = np.searchsorted(ends - lengths[rows] / 2, np.arange(1, pieces) * ends[-1] / pieces)
    return [part for part in np.split(rows, bounds) if len(part)]


def seed_of(*numbers: int) -> int:
    """Return a seed that follows from some numbers."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=7).digest(), "big")
