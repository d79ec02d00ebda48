"""Conversations to vectors: one encoder for encoder-only and decoder-only models on CPU or GPU.

Belongs here: the batches, the threads, memory, counting, putting results back in order. Not: which engine runs the
model (``engine_choice``) and how (``forward_hooks``, ``packed_bert``, ``packed_int8``), how text is read
(``tokenize``).
"""

import gc
import itertools
import logging
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from datasel_assets.arrays.halving import TokenBudget
from datasel_assets.models.device import pick_device
from datasel_assets.models.device_memory import run_within_memory
from datasel_assets.models.encoded import Encoded, EncodeStats
from datasel_assets.models.engine_choice import dtype_to_load, pick_engine
from datasel_assets.models.forward_hooks import find_blocks
from datasel_assets.models.loading import load_base_model, max_positions, text_config
from datasel_assets.models.render import Message
from datasel_assets.models.resolve import resolve_model
from datasel_assets.models.threads import run_on_threads
from datasel_assets.models.tokenize import ConversationTokenizer, Tokens
from datasel_assets.specs.encoder import EncoderSpec

LOGGER = logging.getLogger(__name__)

CPU_ACTIVATIONS = 2048 * 384
GPU_BUDGET = 65_536
GPU_SHARE = 0.6

Conversation = Sequence[Message]
Progress = Callable[[int, int], None]


class Encoder:
    """Encodes conversations with one model.

    On the CPU, batches run in parallel on threads that compute alone: that scales better than sharing each product,
    and makes the result independent of the number of threads. The same rows give the same bits again; other
    neighbours in a batch change them by rounding only.

    >>> with Encoder(EncoderSpec(layers="last")) as encoder:  # doctest: +SKIP
    ...     encoder.encode([[{"role": "user", "content": "hello"}]]).layers[6].shape
    (1, 384)

    Attributes:
        spec: what was asked for.
        resolved: where the model was found.
        device: where it runs.
        dtype: its number format, such as ``bfloat16``; ``int8`` where products are of rounded numbers.
        layers: indices into the hidden-state tuple of length ``n_blocks + 1``, ascending.
        dim: length d of a vector.
        template: how messages become text: ``chat``, ``plain`` or ``tulu``.
        engine: ``packed`` or ``hooked``.
    """

    def __init__(
        self, spec: EncoderSpec, device: str = "auto", *, token_budget: int | None = None, base: Path | None = None
    ) -> None:
        """Load the model and compare the layers that are read with those that it reports.

        Args:
            spec: model, pooling, layers.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
            token_budget: tokens of one batch, padding included. ``None``: on a CPU 2,048 for hidden size 384 and in
                proportion for others, which keeps a batch in the cache; on a GPU what its free memory holds.
            base: folder that a relative model path starts from.

        Raises:
            ModelNotFoundError: no such model.
            ModelIntegrityError: weights are missing or not the published ones.
            UnsupportedModelError: the layers of this architecture cannot be read.
            ValueError: a layer, the device, the template or ``max_tokens`` does not suit the model.
        """
        self.spec = spec
        self.resolved = resolve_model(spec.model, spec.revision, base=base)
        self.device = pick_device(device)
        self._tokenizer = ConversationTokenizer(self.resolved, spec.template, spec.max_tokens)
        self.template = self._tokenizer.template
        model = load_base_model(self.resolved, dtype_to_load(spec.precision, self.device), self.device)
        limit = max_positions(model)
        if limit is not None and spec.max_tokens > limit:
            raise ValueError(f"max_tokens {spec.max_tokens} is more than the {limit} positions of {spec.model}")
        self.layers = spec.resolve_layers(len(find_blocks(model)))
        self.dim = int(text_config(model).hidden_size)
        loaded = pick_engine(model, self.resolved, spec, self.layers, self._tokenizer.pad_id)
        self._model, self._engine, self.dtype = loaded.model, loaded.engine, loaded.dtype
        self._budget = TokenBudget(token_budget or self._default_budget())

    @property
    def engine(self) -> str:
        """Name of what runs the model: ``packed`` or ``hooked``."""
        return self._engine.name

    def encode(
        self,
        conversations: Sequence[Conversation],
        *,
        progress: Progress | None = None,
        dtype: type[np.floating] = np.float32,
    ) -> Encoded:
        """Return the pooled vectors of ``conversations``.

        Args:
            conversations: n lists of messages with ``role`` and ``content``.
            progress: called with (rows done, tokens done) after each batch.
            dtype: ``np.float32`` or ``np.float16`` of the returned vectors.

        Raises:
            DeviceMemoryError: one row alone does not fit on the device.
            OverflowError: a vector does not fit into float16.
            FloatingPointError: the model returned NaN or infinity.
        """
        start = time.perf_counter()
        return self._encode_tokens(self._tokenizer.encode(conversations), progress, dtype, start)

    def stream(
        self,
        conversations: Iterable[Conversation],
        *,
        block_rows: int = 4096,
        progress: Progress | None = None,
        dtype: type[np.floating] = np.float32,
    ) -> Iterator[Encoded]:
        """Yield the vectors of ``conversations`` in blocks of ``block_rows``, in order.

        The next block is tokenised while the model runs on the current one. Memory is that of two blocks.
        ``progress`` counts over the whole stream. Otherwise as :meth:`encode`.
        """
        rows_before = tokens_before = 0

        def report(rows: int, tokens: int) -> None:
            if progress is not None:
                progress(rows_before + rows, tokens_before + tokens)

        source = iter(conversations)

        def tokenise() -> Tokens | None:
            block = list(itertools.islice(source, block_rows))
            return self._tokenizer.encode(block) if block else None

        with ThreadPoolExecutor(1, "tokenise") as ahead:
            following = ahead.submit(tokenise)
            while (tokens := following.result()) is not None:
                following = ahead.submit(tokenise)
                encoded = self._encode_tokens(tokens, report, dtype, time.perf_counter())
                rows_before += encoded.stats.rows
                tokens_before += encoded.stats.tokens
                yield encoded

    def close(self) -> None:
        """Free the model; the encoder cannot be used afterwards."""
        import torch

        del self._engine, self._model
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> "Encoder":
        """Return the encoder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the model."""
        self.close()

    def _encode_tokens(self, tokens: Tokens, progress: Progress | None, dtype: Any, start: float) -> Encoded:
        n = len(tokens.ids)
        representative, copies = _distinct(tokens.ids)
        lengths = tokens.lengths
        once = np.where(representative == np.arange(n), lengths, 0)
        layers = {layer: np.zeros((n, self.dim), dtype) for layer in self.layers}
        rows_done = int((lengths == 0).sum())
        tokens_done = padded_tokens = rows_run = 0
        self._reset_peak_memory()
        for batch, pooled in self._run(tokens.ids, once):
            for layer, vectors in zip(self.layers, pooled, strict=True):
                layers[layer][batch] = _checked(vectors, dtype, layer)
            rows_run += len(batch)
            rows_done += int(copies[batch].sum())
            tokens_done += int(lengths[batch].sum())
            padded_tokens += self._engine.cost(lengths[batch])
            if progress is not None:
                progress(rows_done, tokens_done)
        duplicates = np.flatnonzero(representative != np.arange(n))
        for vectors in layers.values():
            vectors[duplicates] = vectors[representative[duplicates]]
        stats = EncodeStats(
            device=str(self.device),
            dtype=self.dtype,
            engine=self.engine,
            rows=n,
            rows_run=rows_run,
            tokens=tokens_done,
            padded_tokens=padded_tokens,
            truncated=int(tokens.truncated.sum()),
            fallbacks=tokens.fallbacks,
            seconds=time.perf_counter() - start,
            peak_memory_mb=self._peak_memory_mb(),
        )
        return Encoded(layers, lengths, tokens.truncated, stats)

    def _run(self, ids: Sequence[np.ndarray], lengths: np.ndarray) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield (rows, one (B, d) array for each layer) for all rows of length over 0, in any order."""
        if self.device.type != "cpu":
            return self._run_shrinking(ids, lengths)

        def work(batch: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
            return batch, self._engine.run([ids[row] for row in batch])

        return run_on_threads(work, self._engine.plan(lengths, self._budget.tokens))

    def _run_shrinking(
        self, ids: Sequence[np.ndarray], lengths: np.ndarray
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """One batch after the other; a batch that does not fit halves the budget for itself and all that follow."""
        return run_within_memory(
            lambda batch: self._engine.run([ids[row] for row in batch]),
            lengths,
            self._budget,
            plan=self._engine.plan,
            cost=self._engine.cost,
            device=self.device,
            model=f"{self.spec.model} in {self.dtype}",
        )

    def _default_budget(self) -> int:
        import torch

        config = text_config(self._model)
        if self.device.type == "cpu":
            return max(256, CPU_ACTIVATIONS // config.hidden_size)
        inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        size = torch.finfo(self._model.dtype).bits // 8
        token_bytes = size * (14 * config.hidden_size + 3 * inner + 2 * self.spec.max_tokens) + 8 * config.hidden_size
        free, _ = torch.cuda.mem_get_info(self.device)
        return int(max(self.spec.max_tokens, min(GPU_BUDGET, GPU_SHARE * free / token_bytes)))

    def _reset_peak_memory(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def _peak_memory_mb(self) -> float:
        import torch

        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _distinct(ids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the first row with the same tokens (n,), and how many rows each such row stands for (n,)."""
    first: dict[bytes, int] = {}
    representative = np.fromiter((first.setdefault(row.tobytes(), i) for i, row in enumerate(ids)), np.int64, len(ids))
    return representative, np.bincount(representative, minlength=len(ids))


def _checked(vectors: np.ndarray, dtype: Any, layer: int) -> np.ndarray:
    """Return ``vectors`` in ``dtype``; raise rather than store what is not a number or has become infinite."""
    if not np.isfinite(vectors).all():
        raise FloatingPointError(
            f"layer {layer} of the model is not finite for {int((~np.isfinite(vectors).all(1)).sum())} rows; "
            "use precision: float32 or bfloat16"
        )
    largest = np.finfo(dtype).max
    if np.abs(vectors).max(initial=0.0) > largest:
        raise OverflowError(f"layer {layer} exceeds the largest {np.dtype(dtype)} ({largest}); store it as float32")
    return vectors.astype(dtype, copy=False)
