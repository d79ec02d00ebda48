"""What an encoder returns: vectors, and what they cost. Not here: how they come about (``encoder``)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EncodeStats:
    """What one call of ``Encoder.encode`` did and cost.

    Attributes:
        device: such as ``cpu`` or ``cuda:0``.
        dtype: number format of the model.
        engine: ``packed`` (BERT on the CPU) or ``hooked`` (everything else).
        rows: rows given.
        rows_run: rows that went through the model: those with content, each different one once.
        tokens: tokens of ``rows_run``, special tokens included.
        padded_tokens: the same with padding.
        truncated: rows that were cut at ``max_tokens``.
        fallbacks: rows that the chat template refused and that were read as plain text.
        seconds: wall time, tokenising included.
        peak_memory_mb: CUDA allocations on a GPU, else resident memory of the process, which counts all it ever did.
    """

    device: str
    dtype: str
    engine: str
    rows: int
    rows_run: int
    tokens: int
    padded_tokens: int
    truncated: int
    fallbacks: int
    seconds: float
    peak_memory_mb: float

    @property
    def rows_per_s(self) -> float:
        """Rows per second of wall time."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Real tokens that the model read per second of wall time."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def padding_share(self) -> float:
        """Share of the model's input that was padding."""
        return 1 - self.tokens / self.padded_tokens if self.padded_tokens else 0.0

    @property
    def truncated_share(self) -> float:
        """Share of the rows that were cut."""
        return self.truncated / self.rows if self.rows else 0.0

    def __add__(self, other: "EncodeStats") -> "EncodeStats":
        """Return the sum over two calls of one encoder."""
        return EncodeStats(
            self.device,
            self.dtype,
            self.engine,
            self.rows + other.rows,
            self.rows_run + other.rows_run,
            self.tokens + other.tokens,
            self.padded_tokens + other.padded_tokens,
            self.truncated + other.truncated,
            self.fallbacks + other.fallbacks,
            self.seconds + other.seconds,
            max(self.peak_memory_mb, other.peak_memory_mb),
        )


@dataclass(frozen=True)
class Encoded:
    """Vectors of n rows, in the order of the input.

    Attributes:
        layers: index into the hidden-state tuple -> (n, d) array; a row without content is all zero.
        n_tokens: (n,) int32 tokens that were encoded, special tokens included; 0 for a row without content.
        truncated: (n,) bool.
        stats: what the call did and cost.
    """

    layers: dict[int, np.ndarray]
    n_tokens: np.ndarray
    truncated: np.ndarray
    stats: EncodeStats
