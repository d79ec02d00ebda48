"""How a language model is trained on rows: steps, rates, which weights. Not here: the loop (``models.train``)."""

from typing import Literal

from pydantic import Field

from datasel_assets.schema import StrictModel

ScheduleName = Literal["cosine", "linear", "constant"]
Weights = Literal["full", "lora"]
RowLoss = Literal["tokens", "rows"]


class LoraSpec(StrictModel, frozen=True):
    """Low-rank updates of the linear layers (LoRA), for models whose weights are too many to train.

    Attributes:
        rank: of each update.
        alpha: an update is scaled by alpha over rank.
        dropout: share of the inputs of an update that are zeroed.
    """

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class TrainingSpec(StrictModel, frozen=True):
    """How a model is trained on rows.

    Attributes:
        weights: ``full``: all weights are trained; ``lora``: low-rank updates of the linear layers (needs the extra
            ``lora``).
        lora: their shape.
        batch_tokens: tokens of one step, prompts included; the rows of an epoch are cut into steps of about so many.
        learning_rate: the highest.
        schedule: after the warm-up the rate falls to a tenth along half a cosine, falls to nothing along a line, or
            stays.
        warmup: share of the steps in which the rate rises.
        weight_decay: of AdamW, on matrices alone.
        clip: longest gradient; a longer one is shortened.
        loss: the mean over the response tokens of a step (``tokens``), or the mean over its rows of their mean
            (``rows``), in which a short answer counts as much as a long one.
        precision: number format of the products; weights and their updates are float32.
        seed: of the order of the rows, dropout and the first weights of LoRA.
    """

    weights: Weights = "full"
    lora: LoraSpec = LoraSpec()
    batch_tokens: int = Field(default=2048, ge=8)
    learning_rate: float = Field(default=5e-4, gt=0)
    schedule: ScheduleName = "cosine"
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0)
    clip: float = Field(default=1.0, gt=0)
    loss: RowLoss = "tokens"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(default=0, ge=0, lt=2**31, strict=True)
