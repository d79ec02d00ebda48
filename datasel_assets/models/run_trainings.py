"""One model trained again and again from the same start, each time on other rows, and its loss on others.

Belongs here: going back to the start, one training, the loss of sets of rows. Does not: the loop (``train``), which
rows and which sets (``tables.runs``), what follows from the losses (``runs``).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasel_assets.models.contexts import Conversation
from datasel_assets.models.train.row_model import RowModel
from datasel_assets.models.train.texts import Texts
from datasel_assets.models.train.training import RowTraining, evaluate
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.training import TrainingSpec


@dataclass(frozen=True)
class Trained:
    """What one training led to.

    Attributes:
        losses: set -> mean negative log-probability of a response token, nats; NaN for a set without one.
        rows: that were trained on, repetitions counted.
        tokens: that were read, prompts and repetitions counted.
        steps: of the optimiser.
        seconds: of training and measuring.
    """

    losses: Mapping[str, float]
    rows: int
    tokens: int
    steps: int
    seconds: float


class Trainings:
    """A model, and the weights that every training of it starts from.

    Attributes:
        model: whatever was trained last.
    """

    def __init__(
        self, causal: CausalSpec, training: TrainingSpec, device: str = "auto", *, base: Path | None = None
    ) -> None:
        """Load the model; arguments and errors are those of :class:`~datasel_assets.models.train.RowModel`."""
        self.model = RowModel(causal, training, device, base=base)
        self._start = {name: tensor.clone() for name, tensor in self.model.trained_state().items()}

    def texts(self, conversations: Sequence[Conversation]) -> Texts:
        """Return rows as what the model reads."""
        return self.model.texts(conversations)

    def train(
        self, texts: Texts, rows: np.ndarray, seed: int, measured: Texts, sets: Mapping[str, np.ndarray]
    ) -> Trained:
        """Train from the start on some rows, each as often as it is named, and measure.

        Args:
            texts: of n rows.
            rows: (r,) int64 of them; none: the start itself is measured.
            seed: of the order of the rows and of dropout.
            measured: texts of the rows that outcomes are measured on.
            sets: name -> numbers of rows of ``measured``.
        """
        began = time.perf_counter()
        self.model.load_trained(self._start)
        steps = 0
        if len(rows):
            training = RowTraining(self.model, repeated(texts, rows), 1, salt=seed)
            training.run()
            steps = training.done
        found = evaluate(self.model, measured).values["loss"][0].astype(np.float64)
        losses = {name: _mean(found[own], measured.tokens[own]) for name, own in sets.items()}
        return Trained(losses, len(rows), int(texts.lengths[rows].sum()), steps, time.perf_counter() - began)


def repeated(texts: Texts, rows: np.ndarray) -> Texts:
    """Return some of the rows, each as often as it is named, every time as a row of its own."""
    of_row = [[replace(text, row=place) for text in texts.of_row[row]] for place, row in enumerate(rows)]
    return Texts(of_row, texts.tokens[rows], texts.lengths[rows], texts.fallbacks)


def _mean(losses: np.ndarray, tokens: np.ndarray) -> float:
    """Return the mean loss of a token; NaN without tokens."""
    known = tokens > 0
    return float((losses[known] * tokens[known]).sum() / tokens[known].sum()) if known.any() else float("nan")
