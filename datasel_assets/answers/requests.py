"""One request: what is sent for one item of a row, and the key under which its reply is kept.

Belongs here: items of rows and pairs, keys. Does not: prompts (``prompts``), sending (``models``), keeping
(``storage.replies``).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from datasel_assets.answers.prompts import (
    AskedRow,
    broken_control,
    conversation_messages,
    prompt_messages,
    shortened,
    steps_of,
)
from datasel_assets.answers.reading import json_schema, reminder
from datasel_assets.specs.answers import AnswersSpec, EndpointSpec, RewardSpec
from datasel_assets.specs.ask import AskSpec, Options

CHARS_PER_TOKEN = 3.5
"""Of English text in the tokens of most models; where replies are kept, what these needed is taken instead."""
TOKENS_PER_MESSAGE = 8
"""What a chat template adds to a message."""


@dataclass(frozen=True)
class Item:
    """What a request is about.

    Attributes:
        row_id: the row; of a pair the one that its answers count for.
        turn: number of the turn, None where rows are asked about.
        step: number of the step of its answer, None where there are none.
        question: name of the question, None where there is one.
        other: the other row of a pair.
        swapped: whether the other row comes first.
        sample: number of the answer.
    """

    row_id: str
    turn: int | None = None
    step: int | None = None
    question: str | None = None
    other: str | None = None
    swapped: bool = False
    sample: int = 0

    @property
    def label(self) -> str:
        """The item in words; empty where a row has one."""
        said = [f"turn {self.turn}"] if self.turn is not None else []
        said += [f"step {self.step}"] if self.step is not None else []
        said += [self.question] if self.question else []
        said += [f"against {self.other}{', swapped' if self.swapped else ''}"] if self.other else []
        return ", ".join(said)


@dataclass(frozen=True)
class Request:
    """What is sent.

    Attributes:
        item: what it is about.
        messages: of the chat.
        max_tokens: of the reply.
        temperature: 0 for the likeliest reply.
        seed: of the draw.
        options: words whose probabilities as the first token are wanted.
        schema: JSON Schema that the server is asked to keep to, or None.
        attempt: how many replies to it could not be read.
        decides: what of the provider decides the reply.
        members: keys of the questions that it holds, where these are asked together (``batch``).
    """

    item: Item
    messages: Sequence[Mapping[str, str]]
    max_tokens: int
    temperature: float
    seed: int
    options: tuple[str, ...]
    schema: Mapping[str, Any] | None
    attempt: int
    decides: Mapping[str, Any]
    members: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """The key of its reply: 32 hex digits over everything that decides it."""
        what = {
            "messages": [dict(message) for message in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "options": list(self.options),
            "schema": self.schema,
            "sample": self.item.sample,
            "attempt": self.attempt,
            **self.decides,
        }
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()

    @property
    def chars(self) -> int:
        """Length of what is sent."""
        return sum(len(message["content"]) for message in self.messages)

    def tokens(self, chars_per_token: float = CHARS_PER_TOKEN) -> int:
        """Return the estimated tokens of what is sent."""
        return int(self.chars / chars_per_token) + TOKENS_PER_MESSAGE * len(self.messages) + 1

    def after(self, reply: str, unread: str, ask: AskSpec) -> "Request":
        """Return the request that asks again, with the reply that could not be read and what was wrong with it."""
        again = [
            *self.messages,
            {"role": "assistant", "content": broken_control(shortened(reply, ask.max_chars)) or "(nothing)"},
            {"role": "user", "content": reminder(ask.reply, unread)},
        ]
        return replace(self, messages=again, attempt=self.attempt + 1)


def row_items(ask: AskSpec, row_id: str, row: AskedRow, samples: int) -> Iterator[Item]:
    """Yield the items of one row; pairs have none here."""
    places: list[tuple[int | None, int | None]] = [(None, None)]
    if ask.about == "turn":
        places = [(turn, None) for turn in range(len(row.turns))]
    elif ask.about == "step":
        places = [(turn, step) for turn, own in enumerate(row.turns) for step in range(len(steps_of(own.response)))]
    for turn, step in places:
        for question in ask.questions or [None]:
            for sample in range(samples):
                yield Item(row_id, turn=turn, step=step, question=question, sample=sample)


def pair_items(ask: AskSpec, row_id: str, other: str, samples: int, *, swap: bool) -> Iterator[Item]:
    """Yield the items of one pair."""
    for question in ask.questions or [None]:
        for swapped in (False, True) if swap else (False,):
            for sample in range(samples):
                yield Item(row_id, question=question, other=other, swapped=swapped, sample=sample)


def request_of(
    spec: AnswersSpec, ask: AskSpec, item: Item, rows: Mapping[str, AskedRow], decides: Mapping[str, Any]
) -> Request:
    """Return the first request for an item.

    Raises:
        PromptError: the template cannot be filled in with its texts.
    """
    constrained = isinstance(spec.provider, EndpointSpec) and spec.provider.json_schema
    expected = ask.reply.read == "expected"
    if isinstance(spec.provider, RewardSpec):
        messages = conversation_messages(rows[item.row_id], ask.max_chars)
    else:
        messages = prompt_messages(ask, item.question, **texts_of(item, rows))
    return Request(
        item=item,
        messages=messages,
        max_tokens=ask.max_reply_tokens,
        temperature=spec.temperature,
        seed=spec.seed + item.sample,
        options=tuple(ask.reply.options) if expected and isinstance(ask.reply, Options) else (),
        schema=json_schema(ask.reply) if constrained else None,
        attempt=0,
        decides=decides,
    )


def texts_of(item: Item, rows: Mapping[str, AskedRow]) -> dict[str, Any]:
    """Return the texts that an item is about, as templates see them."""
    own = rows[item.row_id]
    if item.other is not None:
        first, second = (rows[item.other], own) if item.swapped else (own, rows[item.other])
        return {"a": first, "b": second}
    if item.turn is None:
        return {"row": own}
    turn = own.turns[item.turn]
    texts = {"row": own, "turn": turn, "before": own.turns[: item.turn]}
    if item.step is not None:
        steps = steps_of(turn.response)
        texts |= {"step": steps[item.step], "steps": steps[: item.step]}
    return texts
