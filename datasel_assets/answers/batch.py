"""Several questions in one request: what is sent, and which part of the reply answers which.

Belongs here: requests of several members, parts of a reply, what the kept replies say of a member. Does not: which
questions go together (``batching``), prompts (``prompts``), sending (``models``).

The key of a member is that of its own request and of how questions are put together, and not of what stood beside it:
a row that comes later joins other batches, and nothing is asked anew for that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datasel_assets.answers.prompts import AskedRow, batch_messages
from datasel_assets.answers.reading import Read, read_reply, without_thought
from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Item, Request, request_of, texts_of
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec

MARK_TOKENS = 8
"""Of the number that stands before the reply to a task."""
_STRICT = re.compile(r"^[ \t>*_`-]*#[ \t]*(?P<number>\d{1,3})[ \t]*[*_`]*[ \t]*:[*_`]*[ \t]*", re.MULTILINE)
_LOOSE = re.compile(
    r"^[ \t>*_`-]*(?:task|answer|reply|question)?[ \t]*[#\[(]?[ \t]*(?P<number>\d{1,3})[ \t]*[\])]?[*_`]*[ \t]*"
    r"(?:[:=)]|[.\-–](?=\s|$))[*_`]*[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Member:
    """A question of a batch.

    Attributes:
        item: what it is about.
        key: under which replies to it are found.
        texts: of its rows, as templates see them.
    """

    item: Item
    key: str
    texts: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Questions that are asked together.

    Attributes:
        members: at least one.
        examples: texts with their right replies, which the request shows.
        attempt: how many replies to these members together could not be read.
    """

    members: tuple[Member, ...]
    examples: tuple[tuple[Mapping[str, Any], str], ...] = ()
    attempt: int = 0

    def of(self, members: Sequence[Member]) -> "Batch":
        """Return a batch of some of the members that is asked for the first time."""
        return Batch(tuple(members), self.examples)

    def halves(self) -> "list[Batch]":
        """Return two batches with half of the members each."""
        middle = len(self.members) // 2
        return [self.of(self.members[:middle]), self.of(self.members[middle:])]


@dataclass(frozen=True)
class Part:
    """A kept reply as a member sees it.

    Attributes:
        reply: to the request.
        place: of the member in it, from 0.
        size: members of the request.
    """

    reply: Reply
    place: int
    size: int

    @property
    def own(self) -> Reply:
        """The reply to the member alone, with its share of tokens and time; the whole one where it has no parts."""
        if self.size == 1:
            return self.reply
        found = parts(self.reply.text, self.size)
        text = self.reply.text if found is None else found[self.place]
        whole = self.reply

        def share(tokens: int) -> int:
            # Shares add up to the whole.
            return tokens * (self.place + 1) // self.size - tokens * self.place // self.size

        latency = round(whole.latency / self.size, 4)
        return replace(
            whole, text=text, tokens_in=share(whole.tokens_in), tokens_out=share(whole.tokens_out), latency=latency
        )

    def read(self, ask: AskSpec, response: str = "") -> Read:
        """Return what the reply says of the member."""
        if self.reply.failed is not None:
            return Read()
        if self.size > 1 and parts(self.reply.text, self.size) is None:
            return Read(unread=f"it does not have one reply to each of the {self.size} tasks")
        return read_reply(ask.reply, self.own.text, self.reply.logprobs, response)


def member_of(
    spec: AnswersSpec, ask: AskSpec, item: Item, rows: Mapping[str, AskedRow], decides: Mapping[str, Any]
) -> Member:
    """Return an item as a member.

    Raises:
        PromptError: the template cannot be filled in with its texts.
    """
    alone = request_of(spec, ask, item, rows, decides)
    how = spec.model_dump(mode="json", include={"batch", "demonstrations"})
    return Member(item, replace(alone, decides={**decides, "together": how}).key, texts_of(item, rows))


def batch_request(
    spec: AnswersSpec, ask: AskSpec, batch: Batch, decides: Mapping[str, Any], unread: str = ""
) -> Request:
    """Return the request of a batch.

    Args:
        spec: of the file.
        ask: what is asked.
        batch: who is asked together.
        decides: what of the provider decides the reply.
        unread: why the reply before could not be read; the request says so.
    """
    first = batch.members[0].item
    alone = len(batch.members) == 1
    messages = batch_messages(ask, first.question, [member.texts for member in batch.members], batch.examples)
    if unread:
        said = f"{messages[-1]['content']}\n\n(An earlier reply could not be read: {unread}. Keep to the form.)"
        messages = [*messages[:-1], {"role": "user", "content": said}]
    expected = alone and ask.reply.read == "expected"
    return Request(
        item=first,
        messages=messages,
        max_tokens=ask.max_reply_tokens if alone else len(batch.members) * (ask.max_reply_tokens + MARK_TOKENS),
        temperature=spec.temperature,
        seed=spec.seed + first.sample,
        options=tuple(ask.reply.options) if expected else (),  # type: ignore[union-attr]
        schema=None,
        attempt=batch.attempt,
        decides=decides,
        members=tuple(member.key for member in batch.members),
    )


def parts(reply: str, n: int) -> list[str] | None:
    r"""Return the n parts of a reply in the order of the tasks; None where it does not have each of them once.

    >>> parts("#1: 4\n#2: 3, because\nit is short", 2)
    ['4', '3, because\nit is short']
    >>> parts("#1: 4", 2) is None
    True
    """
    reply = without_thought(reply)
    for form in (_STRICT, _LOOSE):
        marks = list(form.finditer(reply))
        if sorted(int(mark["number"]) for mark in marks) == list(range(1, n + 1)):
            ends = [*(mark.start() for mark in marks[1:]), len(reply)]
            of = {int(mark["number"]): reply[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
            return [of[number] for number in range(1, n + 1)]
    return None
