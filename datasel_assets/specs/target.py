"""``data/targets/*.yaml``: a query set that says what the training should be good at."""

from typing import Any, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import StrictModel
from datasel_assets.specs.source import Located, Uri


class TurnSpec(StrictModel, frozen=True):
    """One message of an example.

    Attributes:
        role: who speaks.
        content: the text.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class ExampleSpec(StrictModel, frozen=True):
    """One query: a prompt with its response, or messages.

    Attributes:
        prompt: what is asked; goes with ``response``.
        response: the answer.
        messages: the whole conversation, instead of these two.
        task: name of the task that the query stands for.
    """

    prompt: str | None = None
    response: str | None = None
    messages: list[TurnSpec] | None = None
    task: str | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> "ExampleSpec":
        pair = (self.prompt, self.response)
        if (self.messages is None) == (None in pair) or (self.messages is not None and pair != (None, None)):
            raise ValueError("an example needs either both 'prompt' and 'response', or 'messages'")
        return self

    def record(self) -> dict[str, Any]:
        """The example in the shape of the ``messages`` format; the task is kept as a further field."""
        turns = [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.response}]
        if self.messages is not None:
            turns = [turn.model_dump() for turn in self.messages]
        return {"messages": turns, **({"task": self.task} if self.task is not None else {})}


class TargetSpec(Located, frozen=True):
    """What the training should be good at: queries in a dataset (``uri``) or in the file itself (``examples``).

    Attributes:
        rows: how many rows of the dataset to use, chosen by the hash of their id; all when left out.
        seed: seed of that choice.
        task_column: unmapped column of the dataset that names the task of a row, for ``task_round_robin``.
        examples: queries written out.
    """

    uri: Uri | None = None
    rows: int | None = Field(default=None, gt=0)
    seed: int = 0
    task_column: str | None = None
    examples: list[ExampleSpec] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_origin(self) -> "TargetSpec":
        if bool(self.examples) == bool(self.uris):
            raise ValueError("a target needs either 'uri' or 'examples'")
        if self.examples and (unused := sorted(self.model_fields_set - {"examples", "doc", "limits"})):
            raise ValueError(f"'{unused[0]}' has no meaning beside 'examples'; remove it")
        return self

    @property
    def task_key(self) -> str:
        """Key of a row's ``extra`` that names its task; rows without it have no task of their own."""
        return self.task_column or "task"

    def inline(self) -> tuple[dict[str, Any], ...]:
        """The examples as records."""
        return tuple(example.record() for example in self.examples)
