"""Training a proxy model a little further on some rows, and what that does to its loss on others.

Belongs here: the short training, the loss on held-out conversations. Not: the proxy's own training
(:mod:`~datasel_assets.models.proxy_lm`), which rows are trained on (:mod:`~datasel_assets.models.try_out`).
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from pydantic import Field

from datasel_assets.diagnostics.outcomes import token_loss
from datasel_assets.models.causal_lm import CausalLM
from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.proxy_folder import MANIFEST
from datasel_assets.models.proxy_rows import (
    BATCH_ROWS,
    Conversation,
    DrawnRows,
    Pool,
    blocks_of,
    draw_rows,
    split_rows,
)
from datasel_assets.models.proxy_training import Progress, Trainer
from datasel_assets.models.tokens import valid_text
from datasel_assets.schema import StrictModel
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.proxy import ProxySpec


class FineTuneSpec(StrictModel, frozen=True):
    """How a proxy is trained further.

    Attributes:
        epochs: how often the rows of the selection are seen; every arm sees as many tokens.
        batch_tokens: tokens of one step.
        learning_rate: the highest; after a linear warm-up it falls to a tenth along a cosine.
        warmup: share of the steps in which the rate rises.
    """

    epochs: float = Field(2.0, gt=0)
    batch_tokens: int = Field(2048, ge=8)
    learning_rate: float = Field(5e-4, gt=0)
    warmup: float = Field(0.1, ge=0, le=1)


@dataclass(frozen=True)
class Arm:
    """The loss of a model on each held-out set.

    Attributes:
        losses: set -> mean negative log-probability of a response token, in nats; NaN where there is none.
        tokens: set -> response tokens that were read.
        steps: optimiser steps that were taken.
        train_tokens: tokens that were trained on, repetitions counted.
        seconds: wall time of training and measuring.
    """

    losses: Mapping[str, float]
    tokens: Mapping[str, int]
    steps: int
    train_tokens: int
    seconds: float


class ProxyStart:
    """A trained proxy as the common start of several short trainings.

    >>> start = ProxyStart(Path("models/proxy_lm"), "cpu")  # doctest: +SKIP
    >>> training, held_out = start.sides(pool.names)  # doctest: +SKIP
    >>> start.measure(pool.rows(training), 50_000, FineTuneSpec(), 0, {"code": unseen})  # doctest: +SKIP
    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Read the description of the proxy.

        Args:
            folder: from :func:`datasel_assets.models.proxy_lm.train_proxy_lm`.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
        """
        from transformers import AutoTokenizer

        self.folder, self.device = folder, device
        self.spec = ProxySpec.model_validate(json.loads((folder / MANIFEST).read_text("utf-8"))["spec"])
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.renderer = DialogueRenderer(self.tokenizer, "chat")
        self._encoder = TextEncoder(self.tokenizer.backend_tokenizer)

    def sides(self, names: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows of a pool the proxy may train on, and which it holds out.

        Numbers of rows, each side in the order of a hash. All copies of a conversation are on one side.

        Args:
            names: ``row_id`` and ``content_hash`` of the rows.
        """
        training, held_out = split_rows(draw_rows(names, self.spec), self.spec)
        return training["place"].to_numpy(), held_out["place"].to_numpy()

    def row_tokens(self, messages: pl.Series) -> np.ndarray:
        """Return (n,) the training tokens of each row; ``messages``: (n,) of a pool."""
        lengths: list[int] = []
        for start in range(0, len(messages), BATCH_ROWS):
            rows = messages[start : start + BATCH_ROWS].to_list()
            texts = [valid_text(self.renderer.render(row).text) for row in rows]
            lengths += map(len, self._encoder.encode(texts))
        return np.array(lengths, dtype=np.int64)

    def measure(
        self,
        rows: pl.DataFrame,
        tokens: int,
        spec: FineTuneSpec,
        seed: int,
        held_out: Mapping[str, Sequence[Conversation]],
        progress: Progress | None = None,
        keep: Path | None = None,
    ) -> Arm:
        """Train a copy of the proxy on ``tokens`` tokens of some rows, then read its loss on the held-out sets.

        The rows enter whole, end to end, in a new order for every epoch; all their tokens are trained on, as in the
        proxy's own training. The loss is that of response tokens given what stands before them.

        Args:
            rows: to train on, as ``Pool.rows`` gives them; none: the proxy as it is.
            tokens: training tokens, repetitions counted.
            spec: rates and batch.
            seed: of the order.
            held_out: set -> conversations.
            progress: called with (steps done, steps in all).
            keep: an empty folder that the trained model is left in; None: nowhere.
        """
        import torch
        from safetensors.torch import load_file, save_file
        from transformers import AutoConfig, AutoModelForCausalLM

        started = time.perf_counter()
        steps = step_tokens = 0
        with TemporaryDirectory() as scratch:
            folder = self.folder
            if rows.height:
                where = pick_device(self.device)
                changed = {"token_budget": tokens, "seed": seed, **spec.model_dump(exclude={"epochs"})}
                settings = self.spec.model_copy(update=changed)
                drawn = DrawnRows(Pool.of(rows), draw_rows(rows, settings))
                blocks, _ = blocks_of(self.tokenizer, self.renderer, drawn, 2**62, settings)
                config = AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
                model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(where)
                model.load_state_dict(load_file(self.folder / "model.safetensors", device=str(where)))
                trainer = Trainer(model, settings, blocks, blocks[:0], where, pick_dtype("auto", where))
                steps, step_tokens = trainer.total_steps, trainer.step_tokens
                for step in range(steps):
                    trainer.step(step)
                    if progress is not None:
                        progress(step + 1, steps)
                folder = keep or Path(scratch)
                model.config.save_pretrained(folder)
                weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
                save_file(weights, folder / "model.safetensors", {"format": "pt"})
                self.tokenizer.save_pretrained(folder)
            losses, read = self._losses(folder, held_out)
        return Arm(losses, read, steps, steps * step_tokens, time.perf_counter() - started)

    def _losses(
        self, folder: Path, held_out: Mapping[str, Sequence[Conversation]]
    ) -> tuple[dict[str, float], dict[str, int]]:
        spec = CausalSpec(model=str(folder), max_tokens=self.spec.max_tokens, template="chat", precision="float32")
        losses, tokens = {}, {}
        with CausalLM(spec, device=self.device) as lm:
            for name, conversations in held_out.items():
                stats = lm.token_stats(lm.conditioned(list(conversations)))
                scored = np.isfinite(stats.sum_logp)
                losses[name] = token_loss(stats.sum_logp[scored], stats.count[scored])
                tokens[name] = int(stats.count[scored].sum())
        return losses, tokens


def training_tokens(once: int, epochs: float) -> int:
    """Return how many tokens an arm is trained on: the selection's tokens times the epochs, rounded up."""
    return math.ceil(once * epochs)
