"""The description of a proxy language model and of its training. Not here: the training (``models.proxy_training``)."""

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel

SMALLEST = 256 + 7
"""Tokens of a vocabulary without any merge: the bytes, three marks and one for each of four roles."""


class ProxySpec(StrictModel, frozen=True):
    """A proxy language model and how it is trained. The default has 3.2 M parameters.

    Attributes:
        vocabulary: tokens of the byte-level BPE, at most.
        hidden: width of a hidden state.
        layers: blocks.
        heads: attention heads.
        kv_heads: key and value heads, a divisor of ``heads``.
        intermediate: inner width of the feed-forward part.
        max_tokens: length of the context.
        token_budget: training tokens, repetitions counted.
        batch_tokens: tokens of one step.
        learning_rate: the highest; after a linear warm-up it falls to a tenth along a cosine.
        warmup: share of the steps in which the rate rises.
        weight_decay: of AdamW, on matrices alone.
        held_out: share of the conversations that is never trained on, with all their copies; at least one.
        held_out_tokens: at most this many of their tokens are read in an evaluation.
        eval_steps: steps between evaluations; a checkpoint is written with each.
        patience: evaluations in a row without a better held-out loss that end the training.
        bare_share: share of the training rows that are shown without their prompt, one half with the assistant's
            header and one half without: the loss of a response alone, which IFD divides by, is then that of a model
            that has met such text.
        tokenizer_chars: at most this many characters train the tokenizer.
        seed: of the sample, the weights and the order.
    """

    vocabulary: int = Field(4096, ge=SMALLEST)
    hidden: int = Field(192, ge=8)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    kv_heads: int = Field(2, ge=1)
    intermediate: int = Field(512, ge=8)
    max_tokens: int = Field(512, ge=8)
    token_budget: int = Field(2_000_000, ge=1)
    batch_tokens: int = Field(4096, ge=8)
    learning_rate: float = Field(2e-3, gt=0)
    warmup: float = Field(0.05, ge=0, le=1)
    weight_decay: float = Field(0.1, ge=0)
    held_out: float = Field(0.02, gt=0, lt=1)
    held_out_tokens: int = Field(32_768, ge=1)
    eval_steps: int = Field(25, ge=1)
    patience: int = Field(4, ge=1)
    bare_share: float = Field(0.2, ge=0, le=1)
    tokenizer_chars: int = Field(20_000_000, ge=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> "ProxySpec":
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} does not divide heads {self.heads}")
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is not a multiple of 2 * heads {2 * self.heads}")
        return self
