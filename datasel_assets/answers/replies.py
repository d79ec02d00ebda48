"""A reply as it is kept. Not here: keeping it (``storage.replies``), reading it (``reading``)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """What came back for one request.

    Attributes:
        text: of the reply; empty where it failed.
        logprobs: natural logarithms of the probabilities of the likeliest first tokens, None where nobody gave them.
        tokens_in: of the prompt, as the provider counts them; else an estimate.
        tokens_out: of the reply.
        latency: seconds from sending to the whole reply.
        tries: how often it was sent.
        failed: why there is no reply, else None.
        too_much: whether it failed for what may be its length, so that fewer questions together could fare better.
    """

    text: str
    logprobs: Mapping[str, float] | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    latency: float = 0.0
    tries: int = 1
    failed: str | None = None
    too_much: bool = False
