"""A language model trained on rows of the pool while every presentation is remembered.

Belongs here: one training or two halves, when a presentation counts as right, wrong rows that are planted. Does not:
the loop (:mod:`datasel_assets.models.train`), what is made of the records (:mod:`datasel_assets.indicators.dynamics`),
which rows (``tables.dynamics``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasel_assets.arrays.hash_sample import hash_keys, hash_sample
from datasel_assets.indicators.dynamics import History
from datasel_assets.models.contexts import Conversation
from datasel_assets.models.train.row_model import RowModel
from datasel_assets.models.train.texts import Texts
from datasel_assets.models.train.training import Progress, RowTraining, Trace, evaluate
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.training import TrainingSpec
from datasel_assets.storage.fingerprint import digest

LATER = "later"
"""What a trace of the second half remembers besides: whether the rows of the first were still right."""
SPLIT, PLANTED = 1, 2
"""Added to the seed, so that halves and planted rows have nothing to do with the sample."""


@dataclass(frozen=True, eq=False)
class Watched:
    """What a training said of its rows.

    Attributes:
        history: of all n rows; NaN for rows that were not trained on first, or have nothing to learn.
        losses: mean loss of a learned token at each step.
        resumed_at: the step that this call started from.
        parameters: trained weights.
        tokens: learned tokens of the rows, each counted once.
        fallbacks: rows that the chat template refused.
    """

    history: History
    losses: Sequence[float]
    resumed_at: int
    parameters: int
    tokens: int
    fallbacks: int


def watch(
    causal: CausalSpec,
    spec: DynamicsSpec,
    row_ids: np.ndarray,
    conversations: Sequence[Conversation],
    checkpoints: Path,
    identity: str,
    *,
    device: str = "auto",
    base: Path | None = None,
    progress: Progress | None = None,
) -> Watched:
    """Train a copy of a model on rows; a call that was killed goes on where it stood.

    Args:
        causal: the model and how rows are shown to it.
        spec: epochs, what counts as right, halves.
        row_ids: (n,) str.
        conversations: n rows.
        checkpoints: folder of this training's checkpoints; its files stay for the caller to remove.
        identity: what tells this training from others.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
        base: folder that a relative model path starts from.
        progress: called with (steps done, steps in all).
    """
    model = RowModel(causal, spec.training or TrainingSpec(), device, base=base)
    texts = model.texts(conversations)
    first = second = np.ones(len(row_ids), bool)
    if spec.second_split:
        first = (hash_keys(row_ids, spec.seed + SPLIT) >> np.uint64(63)).astype(bool)
        second = ~first
    training = RowTraining(model, texts, spec.epochs, weights=first.astype(float), el2n=True)
    after = None
    if spec.second_split:
        after = RowTraining(model, texts, spec.epochs, weights=second.astype(float), salt=1)
    steps = training.total_steps + (after.total_steps if after else 0)

    def told(before: int) -> Progress:
        return lambda done, total: progress(before + done, steps) if progress else None

    resumed = training.run(checkpoints / "first", digest([identity, "first"]), told(0))
    trace, later = training.trace, np.empty((0, 0))
    if after is not None:
        held = _only(texts, first)
        after.trace.values[LATER] = np.full((spec.epochs, len(row_ids)), np.nan, np.float32)
        started = trace.values["loss"][0]

        def look_back(epoch: int) -> None:
            found = evaluate(model, held)
            after.trace.values[LATER][epoch] = _right(found, spec, started)[:, 0]

        resumed += after.run(
            checkpoints / "second", digest([identity, "second"]), told(training.total_steps), after_epoch=look_back
        )
        later = after.trace.values[LATER].T.astype(np.float64)
    parameters = sum(p.numel() for p in model.model.parameters() if p.requires_grad)
    tokens = int(texts.tokens[first].sum())
    values = {name: found.T.astype(np.float64) for name, found in trace.values.items()}
    history = History(
        losses=values["loss"],
        right=_right(trace, spec, trace.values["loss"][0]),
        confidence=values["confidence"],
        el2n=values["el2n"],
        later=later,
        plentiful=tokens >= parameters,
    )
    return Watched(history, training.losses, resumed, parameters, tokens, texts.fallbacks)


def plant(
    row_ids: np.ndarray, conversations: Sequence[Conversation], share: float, seed: int
) -> tuple[list[Conversation], np.ndarray]:
    """Return conversations of which some have the last response of another row, and which (n,) bool.

    The rows are drawn by the hash of their id, and hand their responses round.

    Args:
        row_ids: (n,) str.
        conversations: n rows.
        share: of the rows.
        seed: of the draw.
    """
    able = np.array([bool(row) and row[-1]["role"] == "assistant" for row in conversations], bool)
    drawn = [i for i in hash_sample(row_ids, len(row_ids), seed + PLANTED) if able[i]][: round(share * len(row_ids))]
    found, marked = list(conversations), np.zeros(len(row_ids), bool)
    for place, i in enumerate(drawn):
        other = conversations[drawn[(place + 1) % len(drawn)]][-1]["content"]
        if other != conversations[i][-1]["content"]:
            found[i] = [*conversations[i][:-1], {"role": "assistant", "content": other}]
            marked[i] = True
    return found, marked


def _right(trace: Trace, spec: DynamicsSpec, started: np.ndarray) -> np.ndarray:
    """Return (n, E) 1 where a presentation counts as right, 0 where not, NaN where there was none.

    Args:
        trace: of E epochs.
        spec: what counts.
        started: (n,) loss of the first presentation.
    """
    loss = trace.values["loss"]
    if spec.event == "token_share":
        right = trace.values["hit"] >= spec.right_from
    else:
        right = loss <= (1 - spec.right_from) * started
    return np.where(np.isfinite(loss), right, np.nan).T.astype(np.float64)


def _only(texts: Texts, rows: np.ndarray) -> Texts:
    """Return texts of which only some rows have anything to learn."""
    own: list[list[Any]] = [text if kept else [] for text, kept in zip(texts.of_row, rows, strict=True)]
    return Texts(own, np.where(rows, texts.tokens, 0), np.where(rows, texts.lengths, 0), 0)
