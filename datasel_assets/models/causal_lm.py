"""Token statistics of conversations under a causal language model: one teacher-forced pass for each context.

Belongs here: the batches, the threads, memory, putting results back in order, contexts that change the model. Not:
which text is read (:mod:`~datasel_assets.models.contexts`), which tokens are scored
(:mod:`~datasel_assets.models.scored_tokens`), the mathematics (:mod:`~datasel_assets.models.token_math`).
"""

import gc
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.arrays.token_batches import padded_cost, plan_padded
from datasel_assets.indicators.token_table import TokenStats, TokenTable, summarise
from datasel_assets.models.causal_loading import check_context, load_causal_model, take_apart
from datasel_assets.models.choices import ORDERS, multiple_choice, read_choices
from datasel_assets.models.contexts import Conversation, Form, Requests, conditioned, perturbed, unconditioned
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.forward_hooks import find_blocks
from datasel_assets.models.loading import text_config
from datasel_assets.models.packed_linear import can_pack, pack_linears
from datasel_assets.models.resolve import resolve_model
from datasel_assets.models.scored_tokens import Scored, ScoringTokenizer
from datasel_assets.models.threads import run_on_threads
from datasel_assets.models.token_math import FIELDS, next_token_statistics
from datasel_assets.specs.causal import CausalSpec

if TYPE_CHECKING:
    import torch

CPU_ACTIVATIONS = 4096 * 192
CPU_LOGITS = 1 << 20
GPU_LOGITS = 1 << 27
GPU_BUDGET = 65_536
GPU_SHARE = 0.5
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Progress = Callable[[int, int], None]


class CausalLM:
    """Scores the response tokens of conversations with one model.

    A row starts with BOS where the tokenizer has one, so that its first token has a prediction too. The head is applied
    to the positions before response tokens alone, a bounded number of logits at a time. Statistics of a token do not
    depend on the rows beside it, but for rounding.

    >>> with CausalLM(CausalSpec(model="folder")) as lm:  # doctest: +SKIP
    ...     stats = lm.token_stats(lm.conditioned(conversations))
    ...     stats.by_row.nll

    Attributes:
        spec: what was asked for.
        resolved: where the model was found.
        device: where it runs.
        dtype: its number format, such as ``bfloat16``.
        renderer: writes the text of conversations.
    """

    def __init__(
        self, spec: CausalSpec, device: str = "auto", *, token_budget: int | None = None, base: Path | None = None
    ) -> None:
        """Load the model and compare what its parts compute with its own logits.

        Args:
            spec: model, context, template.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            token_budget: tokens of one batch, padding included. ``None``: on a CPU 4,096 for hidden size 192 and in
                proportion for others; on a GPU what its free memory holds.
            base: folder that a relative model path starts from.

        Raises:
            ModelNotFoundError: no such model, or it has no fast tokenizer.
            ModelIntegrityError: weights are missing.
            UnsupportedModelError: body and head of this architecture cannot be told apart.
            ValueError: the device, the template or ``max_tokens`` does not suit the model.
        """
        self.spec = spec
        self.resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        dtype = pick_dtype(spec.precision, self.device)
        self.dtype = str(dtype).removeprefix("torch.")
        self._tokenizer = ScoringTokenizer(self.resolved, spec.max_tokens, spec.overflow)
        self.renderer = DialogueRenderer(self._tokenizer.tokenizer, spec.template)
        model = load_causal_model(self.resolved, dtype, self.device)
        check_context(model, spec)
        self._parts = take_apart(model, self._tokenizer.pad_id, 1e-3 if self.dtype == "float32" else 5e-2)
        self._budget = TokenBudget(token_budget or self._default_budget())

    def conditioned(self, conversations: Sequence[Conversation]) -> Requests:
        """Return the context with the prompt, see :func:`datasel_assets.models.contexts.conditioned`."""
        return conditioned(conversations, self.renderer)

    def unconditioned(self, conversations: Sequence[Conversation], form: Form) -> Requests:
        """Return the context without the prompt, see :func:`datasel_assets.models.contexts.unconditioned`."""
        return unconditioned(conversations, self.renderer, form)

    def perturbed(
        self, conversations: Sequence[Conversation], *, copies: int = 20, seed: int = 0
    ) -> Iterator[Requests]:
        """Yield the contexts with words dropped, see :func:`datasel_assets.models.contexts.perturbed`."""
        return perturbed(conversations, self.renderer, copies=copies, seed=seed)

    def choices(self, conversations: Sequence[Conversation], *, orders: int = ORDERS) -> Requests:
        """Return the context of multiple choice, see :func:`datasel_assets.models.choices.multiple_choice`."""
        return multiple_choice([read_choices(row) for row in conversations], self.renderer, orders=orders)

    def token_stats(
        self, requests: Requests, *, keep_tokens: bool = False, progress: Progress | None = None
    ) -> TokenStats:
        """Return the statistics of the response tokens of ``requests``.

        Takes about 30 bytes for each scored token: give long sources in blocks of some thousand rows, and join them
        with :func:`datasel_assets.indicators.token_table.concatenate`.

        Args:
            requests: one context of n rows.
            keep_tokens: whether ``stats.tokens`` holds the record of each token.
            progress: called with (tokens read, tokens in all) after each batch.

        Raises:
            DeviceMemoryError: one row alone does not fit on the device.
        """
        (stats,) = self._summaries(requests, self._tokenizer.score(requests.items), progress)
        return stats if keep_tokens else replace(stats, tokens=None)

    def stats_with_prompts(
        self, requests: Requests, *, keep_tokens: bool = False, progress: Progress | None = None
    ) -> tuple[TokenStats, TokenStats]:
        """Return the statistics of the response tokens, as :meth:`token_stats`, and of those of the user's messages.

        Both are of the same passes: only the head is applied to more positions, after those of the responses, whose
        statistics stay as they are, to the byte.
        """
        scored = self._tokenizer.score(requests.items, prompts=True)
        stats, prompts = self._summaries(requests, scored, progress)
        return stats if keep_tokens else replace(stats, tokens=None), replace(prompts, tokens=None)

    def _summaries(self, requests: Requests, scored: Scored, progress: Progress | None) -> list[TokenStats]:
        """Return the statistics of what is scored, those of the prompts last, with the records of their tokens."""
        parts = [scored] if scored.prompts is None else [scored, scored.prompts]
        values = [np.full((len(FIELDS), len(part.target)), np.nan, np.float32) for part in parts]
        lengths = scored.lengths
        total, done = int(lengths.sum()), 0
        for batch, statistics in self._run(scored):
            for part, filled, found in zip(parts, values, statistics, strict=True):
                filled[:, np.concatenate([part.slots[i] for i in batch])] = found
            done += int(lengths[batch].sum())
            if progress is not None:
                progress(done, total)
        return [_summary(requests.n_rows, part, made) for part, made in zip(parts, values, strict=True)]

    def subnet_stats(
        self, requests: Requests, *, rates: Sequence[float] = RATES, seed: int = 0
    ) -> Iterator[TokenStats]:
        """Yield the statistics under one subnet of the model for each of ``rates``; see :meth:`subnet`."""
        for index, rate in enumerate(rates):
            with self.subnet(rate, seed=seed + index):
                yield self.token_stats(requests)

    @contextmanager
    def subnet(self, rate: float, *, seed: int) -> Iterator[None]:
        """Mask a share of the weights while the block runs.

        Each weight of the matrices inside the blocks is zero with probability ``rate``, drawn from a hash of ``seed``
        and the name of the matrix, and the others are divided by ``1 - rate``; embeddings, norms and the head stay. All
        rows meet the same subnet, so a row's value does not depend on its batch, and models without dropout layers have
        subnets too: this is the weight masking of the second version of the paper (arXiv 2402.05356), not dropout of
        activations.
        """
        import torch

        if not 0 <= rate < 1:
            raise ValueError(f"rate {rate} is not a share of weights to mask: use at least 0 and less than 1")
        plain = []
        for i, block in enumerate(find_blocks(self._parts.model)):
            for name, parameter in block.named_parameters():
                if parameter.ndim < 2:
                    continue
                state = hashlib.blake2b(f"{seed}:{i}:{name}".encode(), digest_size=7).digest()
                generator = torch.Generator().manual_seed(int.from_bytes(state, "big"))
                kept = torch.rand(parameter.shape, generator=generator) >= rate
                plain.append((parameter, parameter.data))
                parameter.data = parameter.data * kept.to(parameter.device) / (1 - rate)
        try:
            self._repack()
            yield
        finally:
            for parameter, data in plain:
                parameter.data = data
            self._repack()

    def close(self) -> None:
        """Free the model; it cannot be used afterwards."""
        import torch

        del self._parts
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> "CausalLM":
        """Return the object itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the model."""
        self.close()

    def _repack(self) -> None:
        if can_pack(self._parts.model.dtype, self.device):
            pack_linears(self._parts.model)

    def _run(self, scored: Scored) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield (passes of one batch, (7, tokens) statistics in the order of their slots), in any order.

        The statistics are those of the responses and, where they are scored, those of the prompts.
        """
        if self.device.type != "cpu":
            return self._run_shrinking(scored)
        return run_on_threads(partial(self._batch, scored), plan_padded(scored.lengths, self._budget.tokens))

    def _run_shrinking(self, scored: Scored) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """One batch after the other; a batch that does not fit halves the budget for itself and all that follow."""
        batches = run_within_memory(
            lambda batch: self._batch(scored, batch),
            scored.lengths,
            self._budget,
            plan=plan_padded,
            cost=padded_cost,
            device=self.device,
            model=f"{self.spec.model} in {self.dtype}",
        )
        return (result for _, result in batches)

    def _batch(self, scored: Scored, batch: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        import torch

        with torch.inference_mode():
            states = self._parts.states([scored.ids[i] for i in batch], self._tokenizer.pad_id)
            parts = [scored] if scored.prompts is None else [scored, scored.prompts]
            return batch, [self._statistics(states, part, batch) for part in parts]

    def _statistics(self, states: "torch.Tensor", scored: Scored, batch: np.ndarray) -> np.ndarray:
        """Return (7, tokens) statistics of what is scored of a batch with the hidden ``states``."""
        import torch

        # The token at position t is predicted by the state at t - 1.
        flat = np.concatenate([scored.positions[i] - 1 + place * states.shape[1] for place, i in enumerate(batch)])
        targets = scored.target[np.concatenate([scored.slots[i] for i in batch])].astype(np.int64)
        statistics = next_token_statistics(
            states.flatten(0, 1)[torch.from_numpy(flat).to(self.device)],
            torch.from_numpy(targets).to(self.device),
            self._parts.logits,
            self._parts.vocabulary,
            CPU_LOGITS if self.device.type == "cpu" else GPU_LOGITS,
        )
        return statistics.cpu().numpy()

    def _default_budget(self) -> int:
        import torch

        config = text_config(self._parts.model)
        if self.device.type == "cpu":
            return max(256, CPU_ACTIVATIONS // config.hidden_size)
        inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        size = torch.finfo(self._parts.model.dtype).bits // 8
        token_bytes = size * (14 * config.hidden_size + 3 * inner + 2 * self.spec.max_tokens)
        free, _ = torch.cuda.mem_get_info(self.device)
        room = GPU_SHARE * free - 12 * GPU_LOGITS
        return int(max(self.spec.max_tokens, min(GPU_BUDGET, room / token_bytes)))


def _summary(n_rows: int, scored: Scored, values: np.ndarray) -> TokenStats:
    """Return what (7, tokens) statistics say of each turn, with the records of the tokens."""
    by_name = dict(zip(FIELDS, values, strict=True))
    by_name["hit"] = by_name["hit"] == 1
    tokens = TokenTable(scored.offsets, scored.target, **by_name)
    return summarise(n_rows, scored.row, scored.turn, scored.truncated, scored.reason, tokens)
