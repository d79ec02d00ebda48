"""A language model that writes tags, and what it is asked. Not here: running it (``models.tagger``)."""

from pydantic import Field, field_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.encoder import Precision

PLACE = "{instruction}"
PROMPT = (
    "You are a helpful assistant. Please identify tags of user intentions in the following user query and provide an "
    'explanation for each tag. Please respond in the JSON format {"tag": str, "explanation": str}.\nQuery: '
) + PLACE
"""What InsTagger was trained on (arXiv 2308.07074, section 5)."""


class TaggerSpec(StrictModel, frozen=True):
    """One tagger.

    Attributes:
        model: a local folder, or a name on the Hugging Face hub such as ``OFA-Sys/InsTagger``.
        revision: branch, tag or commit on the hub.
        max_tokens: length of prompt and instruction; longer instructions are cut on the right.
        max_new_tokens: length of the answer; tags that are complete when it breaks off count.
        precision: ``auto`` is bfloat16 where the device computes it natively, else float32.
        prompt: what the model is asked, with ``{instruction}`` once. It becomes a user message where the tokenizer has
            a chat template, otherwise ``Assistant:`` follows on a line of its own.
        token_budget: tokens of one batch, the answers and padding included; None for the default of the device.
    """

    model: str = Field(min_length=1)
    revision: str | None = None
    max_tokens: int = Field(1024, ge=16)
    max_new_tokens: int = Field(256, ge=1)
    precision: Precision = "auto"
    prompt: str = PROMPT
    token_budget: int | None = Field(default=None, ge=1)

    @field_validator("prompt")
    @classmethod
    def _one_place(cls, prompt: str) -> str:
        if prompt.count(PLACE) != 1:
            raise ValueError(f"the prompt must contain {PLACE} exactly once")
        return prompt

    def identity(self) -> dict[str, object]:
        """Everything that decides the answers, for fingerprints."""
        return self.model_dump(exclude={"token_budget"})
