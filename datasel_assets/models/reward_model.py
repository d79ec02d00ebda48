"""A reward model in this process: a sequence classifier with one head, whose number is its reply.

Belongs here: loading it, conversations as its tokens, batches. Does not: which rows (``tables.answers``), models that
answer in words (``local_answers``, ``endpoint``).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Request
from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.forward_hooks import right_pad
from datasel_assets.models.loading import max_positions
from datasel_assets.models.providers import ProviderError
from datasel_assets.models.quiet import quiet
from datasel_assets.models.render import chat
from datasel_assets.models.resolve import resolve_model
from datasel_assets.specs.answers import RewardSpec

CPU_BUDGET, GPU_BUDGET = 8192, 65_536
AT_ONCE = 256
"""Requests that are divided into batches together."""


class RewardModel:
    """Scores conversations by one model."""

    def __init__(self, spec: RewardSpec, device: str = "auto", *, base: Path | None = None) -> None:
        """Load the model.

        Args:
            spec: the model.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            base: folder that a relative model path starts from.

        Raises:
            ModelNotFoundError: no such model.
            ProviderError: it is no classifier with one head.
        """
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        resolved = resolve_model(spec.reward, spec.revision, base=base)
        config = AutoConfig.from_pretrained(resolved.path, local_files_only=True, trust_remote_code=False)
        names = getattr(config, "architectures", None) or []
        if config.num_labels != 1 or not any(name.endswith("ForSequenceClassification") for name in names):
            raise ProviderError(
                f"{spec.reward} is no reward model: it must be a sequence classifier with one head, but it is "
                f"{', '.join(names) or 'of no named kind'} with {config.num_labels}"
            )
        self.device = pick_device(device)
        self._name = spec.reward
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            resolved.path, local_files_only=True, trust_remote_code=False
        )
        with quiet():
            self._model = AutoModelForSequenceClassification.from_pretrained(
                resolved.path,
                local_files_only=True,
                trust_remote_code=False,
                dtype=pick_dtype(spec.precision, self.device),
            )
        self._model.to(self.device).eval()
        pad = self._tokenizer.pad_token_id
        self._pad = next(one for one in (pad, self._tokenizer.eos_token_id, 0) if one is not None)
        # Decoders read the last token that is not this one.
        self._model.config.pad_token_id = self._pad
        self._limit = max_positions(self._model) or 1 << 30
        self._budget = TokenBudget(spec.token_budget or (CPU_BUDGET if self.device.type == "cpu" else GPU_BUDGET))

    def ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        """Score conversations; see :class:`datasel_assets.models.providers.Provider`."""
        waiting, again = iter(requests), list[Request]()
        while some := [*again, *islice(waiting, max(AT_ONCE - len(again), 0))]:
            again = []
            rows, possible = [], []
            for request in some:
                ids = self._ids(request)
                if ids is None or len(ids) > self._limit:
                    said = "the chat template refuses the messages" if ids is None else self._too_long(len(ids))
                    again += told(request, Reply("", failed=said))
                else:
                    rows.append(np.array(ids, np.int64))
                    possible.append(request)
            lengths = np.array([len(row) for row in rows], np.int64)

            def work(batch: np.ndarray, rows: list[np.ndarray] = rows) -> list[Reply]:
                return self._scored([rows[i] for i in batch])

            for batch, replies in run_within_memory(
                work,
                lengths,
                self._budget,
                plan=plan_padded,
                cost=padded_cost,
                device=self.device,
                model=self._name,
            ):
                for i, reply in zip(batch, replies, strict=True):
                    again += told(possible[i], reply)

    def _too_long(self, length: int) -> str:
        return f"the row has {length:,} tokens, and the model has room for {self._limit:,}: lower max_chars"

    def _ids(self, request: Request) -> list[int] | None:
        """Return the tokens of a conversation as the model was trained on them; None where it refuses it."""
        if self._tokenizer.chat_template:
            text = chat(self._tokenizer, list(request.messages))
            return None if text is None else self._tokenizer(text, add_special_tokens=False)["input_ids"]
        # Older reward models read a question and an answer as a pair of texts.
        said = [message["content"] for message in request.messages]
        return self._tokenizer("\n\n".join(said[:-1]), said[-1])["input_ids"]

    def _scored(self, rows: Sequence[np.ndarray]) -> list[Reply]:
        import torch

        started = time.perf_counter()
        ids, real = right_pad(rows, self._pad)
        with torch.inference_mode():
            mask = real.to(self.device).long()
            logits = self._model(input_ids=ids.to(self.device), attention_mask=mask).logits[:, 0].float().cpu()
        share = round((time.perf_counter() - started) / len(rows), 4)
        return [
            Reply(f"{value:.6g}", None, len(row), 0, share) for value, row in zip(logits.tolist(), rows, strict=True)
        ]
