"""A causal language model in this process that answers questions.

Belongs here: batches, generation, the probabilities of the first token. Does not: what is asked (``answers``), keeping
replies (``asking``), a model behind an address (``endpoint``).
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Request
from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.models.causal_loading import load_causal_model
from datasel_assets.models.control_tokens import TextEncoder
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.loading import max_positions
from datasel_assets.models.providers import ProviderError
from datasel_assets.models.render import Message, chat
from datasel_assets.models.resolve import resolve_model
from datasel_assets.specs.causal import CausalSpec

if TYPE_CHECKING:
    import torch

CPU_BUDGET = 8192
GPU_BUDGET = 65_536
AT_ONCE = 256
"""Requests that are divided into batches together; a limit is looked at before each of these."""
NO_TEXT = "the model's chat template refuses the messages"


class LocalModel:
    """Asks one model.

    The likeliest replies are the same each time, up to the rounding of other neighbours in a batch; drawn ones depend
    on the seed of their request and on nothing beside it.
    """

    def __init__(
        self, spec: CausalSpec, device: str = "auto", *, token_budget: int | None = None, base: Path | None = None
    ) -> None:
        """Load the model.

        Args:
            spec: the model; its ``max_tokens`` and ``template`` are for rows that are read, not for questions.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            token_budget: tokens of one batch, replies included.
            base: folder that a relative model path starts from.

        Raises:
            ModelNotFoundError: no such model.
            ProviderError: it has no fast tokenizer.
        """
        from transformers import AutoTokenizer

        resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        tokenizer: Any = AutoTokenizer.from_pretrained(resolved.path, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ProviderError(f"{resolved.path}: the tokenizer is a slow one; a tokenizer.json is needed")
        self._tokenizer = tokenizer
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self._encoder = TextEncoder(tokenizer.backend_tokenizer)
        self._model = load_causal_model(resolved, pick_dtype(spec.precision, self.device), self.device)
        self._name = spec.model
        self._limit = max_positions(self._model) or math.inf
        ends = self._model.generation_config.eos_token_id
        self._end = ends if ends is not None else tokenizer.eos_token_id
        first = self._end[0] if isinstance(self._end, list) else self._end
        self._pad = next(token for token in (tokenizer.pad_token_id, first, 0) if token is not None)
        self._budget = TokenBudget(token_budget or (CPU_BUDGET if self.device.type == "cpu" else GPU_BUDGET))

    def ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        """Answer requests; see :class:`datasel_assets.models.providers.Provider`."""
        waiting, again = iter(requests), list[Request]()
        while some := [*again, *islice(waiting, max(AT_ONCE - len(again), 0))]:
            again = []
            for request, reply in self._replies(some):
                again += told(request, reply)

    def _replies(self, requests: Sequence[Request]) -> Iterable[tuple[Request, Reply]]:
        rows, possible = [], []
        for request in requests:
            ids, problem = self._ids(request)
            if problem is None:
                rows.append(np.array(ids, np.int64))
                possible.append(request)
            else:
                yield request, Reply("", tokens_in=len(ids), failed=problem, too_much=problem != NO_TEXT)
        # Those of one kind together: how long a reply may get decides the batch.
        kinds = {(bool(request.options), request.max_tokens, request.temperature) for request in possible}
        for words, longest, temperature in sorted(kinds):
            own = [
                i
                for i, request in enumerate(possible)
                if (bool(request.options), request.max_tokens, request.temperature) == (words, longest, temperature)
            ]
            lengths = np.array([len(rows[i]) + (1 if words else longest) for i in own], np.int64)

            def work(batch: np.ndarray, own: list[int] = own, words: bool = words) -> list[Reply]:
                asked = [possible[own[i]] for i in batch]
                return (self._likeliest if words else self._written)(asked, [rows[own[i]] for i in batch])

            for batch, replies in run_within_memory(
                work,
                lengths,
                self._budget,
                plan=plan_padded,
                cost=padded_cost,
                device=self.device,
                model=self._name,
            ):
                yield from ((possible[own[i]], reply) for i, reply in zip(batch, replies, strict=True))

    def _ids(self, request: Request) -> tuple[list[int], str | None]:
        """Return the tokens of a request, and why it cannot be asked, if so."""
        messages = self._encoder.messages(request.messages)
        if self._tokenizer.chat_template:
            text = chat(self._tokenizer, messages, generation=True)
            if text is None:  # many templates know no system message
                text = chat(self._tokenizer, _without_system(messages), generation=True)
            if text is None:
                return [], NO_TEXT
            ids = self._encoder.encode([text])[0].ids
        else:
            text = "\n\n".join(message["content"] for message in messages) + "\n\nAnswer:"
            ids = self._encoder.encode([text], add_special_tokens=True)[0].ids
        room = self._limit - (1 if request.options else request.max_tokens)
        if len(ids) > room:
            return ids, f"the prompt has {len(ids):,} tokens, and the model has room for {room:,.0f}: lower max_chars"
        return ids, None

    def _likeliest(self, requests: Sequence[Request], rows: Sequence[np.ndarray]) -> list[Reply]:
        """Return the probabilities of the words asked for as the next token; the likeliest of them is the text."""
        import torch

        started = time.perf_counter()
        ids, real = self._padded(rows)
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=real, use_cache=False, logits_to_keep=1).logits[:, -1]
            logprobs = logits.float().log_softmax(-1).cpu()
        found = []
        for request, row, values in zip(requests, rows, logprobs, strict=True):
            words = {
                self._tokenizer.decode([token]): float(values[token])
                for word in request.options
                for token in self._spellings(word)
            }
            text = max(words, key=lambda word: words[word]) if words else ""
            found.append(Reply(text, words, len(row), 1, self._share(started, len(rows))))
        return found

    def _spellings(self, word: str) -> list[int]:
        """Return the tokens that are a word by themselves: as it is, after a space, in other cases."""
        forms = {form for one in (word, word.lower(), word.upper(), word.capitalize()) for form in (one, f" {one}")}
        encoded = (self._encoder.encode([form])[0].ids for form in sorted(forms))
        return sorted({ids[0] for ids in encoded if len(ids) == 1})

    def _written(self, requests: Sequence[Request], rows: Sequence[np.ndarray]) -> list[Reply]:
        """Return replies as the model writes them."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        started = time.perf_counter()
        ids, real = self._padded(rows)
        # Drawn replies are greedy ones of logits with noise, so that each request has a draw of its own.
        how = GenerationConfig(
            do_sample=False,
            max_new_tokens=requests[0].max_tokens,
            pad_token_id=self._pad,
            eos_token_id=self._end,
        )
        noise = LogitsProcessorList([_Drawn(requests)] if requests[0].temperature > 0 else [])
        with torch.inference_mode():
            written = self._model.generate(
                input_ids=ids, attention_mask=real, generation_config=how, logits_processor=noise
            )[:, ids.shape[1] :].cpu()
        texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        lengths = (written != self._pad).sum(1).tolist()
        share = self._share(started, len(rows))
        return [
            Reply(text, None, len(row), int(length), share)
            for text, row, length in zip(texts, rows, lengths, strict=True)
        ]

    def _padded(self, rows: Sequence[np.ndarray]) -> "tuple[torch.Tensor, torch.Tensor]":
        """Return token ids, padded on the left: what is written follows what was read; and which are real."""
        import torch

        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._pad, dtype=torch.long)
        real = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, longest - len(row) :] = torch.from_numpy(row)
            real[i, longest - len(row) :] = 1
        return ids.to(self.device), real.to(self.device)

    @staticmethod
    def _share(started: float, rows: int) -> float:
        return round((time.perf_counter() - started) / rows, 4)


def _without_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return messages whose system message has become the beginning of the first of the user."""
    first, *rest = messages
    if first["role"] != "system":
        return messages
    return [{"role": "user", "content": f"{first['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


class _Drawn:
    """Makes a greedy choice a draw: logits over the temperature, and Gumbel noise, of each request its own."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._temperature = requests[0].temperature
        self._generators = [np.random.default_rng(int(request.key, 16)) for request in requests]

    def __call__(self, ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        noise = np.stack([generator.gumbel(size=scores.shape[-1]) for generator in self._generators])
        return scores / self._temperature + torch.from_numpy(noise).to(scores)
