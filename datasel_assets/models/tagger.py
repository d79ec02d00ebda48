"""Tags of instructions by a language model that writes them: the prompt of InsTag, greedy generation in batches.

Belongs here: the prompt, how it is cut to the context, the batches. Does not: reading the answer
(``corpus.tag_lists``), which tags become labels.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.models.causal_loading import load_causal_model
from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.loading import max_positions
from datasel_assets.models.render import chat
from datasel_assets.models.resolve import ModelNotFoundError, resolve_model
from datasel_assets.specs.tagger import PLACE, TaggerSpec

if TYPE_CHECKING:
    import torch


CPU_BUDGET = 8192
GPU_BUDGET = 65_536
SLACK = 8
"""Tokens that cutting an instruction leaves free: next to the prompt its last characters may be split differently."""

Progress = Callable[[int, int], None]


class Tagger:
    """Asks one model for the tags of instructions.

    Answers are greedy, so the same rows give the same answers; other neighbours in a batch change logits by rounding.

    Attributes:
        spec: what was asked for.
        device: where it runs.
        dtype: its number format, such as ``bfloat16``.
    """

    def __init__(self, spec: TaggerSpec, device: str = "auto", *, base: Path | None = None) -> None:
        """Load the model.

        Args:
            spec: model, prompt, limits.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            base: folder that a relative model path starts from.

        Raises:
            ModelNotFoundError: no such model, or it has no fast tokenizer.
            ModelIntegrityError: weights are missing.
            ValueError: the device or the limits do not suit the model.
        """
        from transformers import AutoTokenizer, GenerationConfig

        self.spec = spec
        resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        dtype = pick_dtype(spec.precision, self.device)
        self.dtype = str(dtype).removeprefix("torch.")
        tokenizer: Any = AutoTokenizer.from_pretrained(resolved.path, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ModelNotFoundError(
                f"{resolved.path}: the tokenizer is the slow {type(tokenizer).__name__}; a tokenizer.json is needed"
            )
        self._tokenizer = tokenizer
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self._encoder = TextEncoder(tokenizer.backend_tokenizer)
        self._model = load_causal_model(resolved, dtype, self.device)
        limit = max_positions(self._model)
        if limit is not None and spec.max_tokens + spec.max_new_tokens > limit:
            raise ValueError(
                f"max_tokens {spec.max_tokens} and max_new_tokens {spec.max_new_tokens} are together more than the "
                f"{limit} positions of {spec.model}"
            )
        ends = self._model.generation_config.eos_token_id
        self._end = ends if ends is not None else tokenizer.eos_token_id
        first = self._end[0] if isinstance(self._end, list) else self._end
        self._pad = next(token for token in (tokenizer.pad_token_id, first, 0) if token is not None)
        # A configuration of our own: that of the model may sample.
        self._greedy = GenerationConfig(
            do_sample=False, max_new_tokens=spec.max_new_tokens, pad_token_id=self._pad, eos_token_id=self._end
        )
        self._room = spec.max_tokens - len(self._ids("")) - SLACK
        if self._room < 1:
            raise ValueError(f"max_tokens {spec.max_tokens} leaves no room for an instruction beside the prompt")
        self._budget = TokenBudget(spec.token_budget or (CPU_BUDGET if self.device.type == "cpu" else GPU_BUDGET))

    def answers(self, instructions: Sequence[str], *, progress: Progress | None = None) -> list[str]:
        """Return the model's answer to each instruction; an empty string for one without text.

        Args:
            instructions: n texts.
            progress: called with (rows done, n) after each batch.

        Raises:
            DeviceMemoryError: one instruction alone does not fit on the device with its answer.
        """
        found = [""] * len(instructions)
        rows = [np.array(self._ids(self._cut(text)) if text.strip() else [], np.int64) for text in instructions]
        lengths = np.array([len(ids) for ids in rows], np.int64)
        with_answer = np.where(lengths > 0, lengths + self.spec.max_new_tokens, 0)
        done = int((lengths == 0).sum())
        for batch, texts in run_within_memory(
            lambda batch: self._generate([rows[i] for i in batch]),
            with_answer,
            self._budget,
            plan=plan_padded,
            cost=padded_cost,
            device=self.device,
            model=f"{self.spec.model} in {self.dtype}",
        ):
            for i, text in zip(batch, texts, strict=True):
                found[i] = text
            done += len(batch)
            if progress is not None:
                progress(done, len(instructions))
        return found

    def _generate(self, rows: Sequence[np.ndarray]) -> list[str]:
        import torch

        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._pad, dtype=torch.long)
        real = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, row in enumerate(rows):  # on the left: what is written follows what was read
            ids[i, longest - len(row) :] = torch.from_numpy(row)
            real[i, longest - len(row) :] = 1
        ids, real = self._placed(ids), self._placed(real)
        with torch.inference_mode():
            written = self._model.generate(input_ids=ids, attention_mask=real, generation_config=self._greedy)
        return self._tokenizer.batch_decode(written[:, longest:].cpu(), skip_special_tokens=True)

    def _placed(self, values: "torch.Tensor") -> "torch.Tensor":
        return values.to(self.device)

    def _cut(self, instruction: str) -> str:
        """Return as much of the beginning as fits."""
        instruction = self._encoder.shield(instruction)
        offsets = self._encoder.encode([instruction], offsets=True)[0].offsets
        return instruction if len(offsets) <= self._room else instruction[: offsets[self._room - 1][1]]

    def _ids(self, instruction: str) -> list[int]:
        """Return the tokens of the whole question."""
        question = self.spec.prompt.replace(PLACE, instruction)
        if self._tokenizer.chat_template:
            text = chat(self._tokenizer, [{"role": "user", "content": question}], generation=True)
            if text is not None:  # else the template refuses the question
                return self._encoder.encode([text])[0].ids
        return self._encoder.encode([f"{question}\nAssistant:"], add_special_tokens=True)[0].ids
