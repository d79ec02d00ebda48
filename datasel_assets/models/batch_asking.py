"""Questions asked several at a time until all are answered or a limit is reached.

Belongs here: what becomes of a batch whose reply cannot be read, wholly or in part. Does not: who is asked together
(``tables.answers``), the form of requests and replies (``answers.batch``), questions that are asked one by one
(``asking``).

A reply without one part for each member is asked for again, up to ``again`` times; then the batch is halved, down to
single questions. Members whose part alone cannot be read are asked without the others. What a member is answered is
told by the kept replies alone, so that a run that was killed and one that was not come to the same.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from datasel_assets.answers.batch import Batch, Member, Part, batch_request
from datasel_assets.answers.reading import COMPARED, Read
from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Item, Request
from datasel_assets.models.asking import Answer, Asked, chained, over_limit, tokens_of
from datasel_assets.models.providers import Provider
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec
from datasel_assets.storage.replies import KeptReplies, Spent


class Members:
    """What the kept replies say of members.

    Attributes:
        failed: members that no reply came for in this run -> why.
    """

    def __init__(
        self,
        spec: AnswersSpec,
        ask: AskSpec,
        kept: KeptReplies,
        responses: Callable[[str], str] = lambda row: "",
    ) -> None:
        """Take what is known.

        Args:
            spec: how often a reply is asked for.
            ask: how it is read.
            kept: replies.
            responses: row id -> its response, for replies that are compared with it.
        """
        self._spec, self._ask, self._kept, self._responses = spec, ask, kept, responses
        self.failed: dict[str, str] = {}

    def _parts(self, member: Member) -> list[Part]:
        return [Part(*found) for found in self._kept.of_member(member.key)]

    def _response(self, member: Member) -> str:
        return self._responses(member.item.row_id) if self._ask.reply.read in COMPARED else ""

    def reads(self, member: Member) -> bool:
        """Return whether a reply to a member can be read."""
        return any(part.read(self._ask, self._response(member)).unread is None for part in self._parts(member))

    def times_alone(self, member: Member) -> int:
        """Return how often a member was asked alone."""
        return sum(part.size == 1 for part in self._parts(member))

    def is_settled(self, member: Member) -> bool:
        """Return whether nobody need be asked: it is answered, or was asked alone as often as it may be."""
        return self.times_alone(member) > self._spec.again or self.reads(member)

    def was_asked(self, member: Member) -> bool:
        """Return whether a batch with the member was answered, which could not be read."""
        return bool(self._kept.of_member(member.key))

    def answer(self, member: Member) -> Answer | None:
        """Return the first readable reply to a member, or the last one; None where there is none."""
        parts = self._parts(member)
        if not parts:
            problem = self.failed.get(member.key)
            return Answer(Reply("", failed=problem), Read(), 1, 0, 0, 0.0) if problem else None
        reads = [part.read(self._ask, self._response(member)) for part in parts]
        chosen = next((place for place, read in enumerate(reads) if read.unread is None), len(parts) - 1)
        part, own = parts[chosen], [one.own for one in parts]
        return Answer(
            own[chosen],
            reads[chosen],
            len(parts),
            sum(one.tokens_in for one in own),
            sum(one.tokens_out for one in own),
            round(sum(one.latency for one in own), 4),
            (part.place, part.size) if part.size > 1 else None,
        )


def ask_in_batches(
    members: Iterable[Member],
    batches: Callable[[Sequence[Member]], Iterable[Batch]],
    chunk: int,
    spec: AnswersSpec,
    ask: AskSpec,
    kept: KeptReplies,
    decides: Mapping[str, Any],
    provider: Callable[[], Provider],
    responses: Callable[[str], str] = lambda row: "",
    progress: Callable[[int, Spent], None] = lambda done, spent: None,
) -> Asked:
    """Ask what has not been answered yet.

    Args:
        members: all questions.
        batches: puts questions together.
        chunk: questions that are put together from at most.
        spec: samples, limits and prices.
        ask: how replies are read.
        kept: replies that are there, and where new ones go.
        decides: what of the provider decides a reply.
        provider: who is asked; called only if there is anything to ask.
        responses: row id -> its response, for replies that are compared with it.
        progress: called with the number of questions that are settled and what has been spent so far.

    Raises:
        ProviderError: nothing can be asked; what was answered before is kept.
    """
    asked, known, begun = Asked(), Members(spec, ask, kept, responses), time.monotonic()
    everybody: dict[Item, Member] = {}
    under_way: dict[str, Batch] = {}
    reserved: dict[str, int] = {}
    seen: set[str] = set()
    settled = 0

    def request(batch: Batch, unread: str = "") -> Request | None:
        """Return the request of a batch, None where a limit forbids it."""
        made = batch_request(spec, ask, batch, decides, unread)
        if asked.stopped is None:
            asked.stopped = over_limit(spec, kept.spent, sum(reserved.values()), made, begun)
        if asked.stopped is not None:
            return None
        reserved[made.key], under_way[made.key] = tokens_of(made, kept.spent), batch
        return made

    def waiting() -> Iterator[Request]:
        nonlocal settled
        for some in chunks(members, chunk):
            # Rows with the same texts are one question.
            own = {member.key: member for member in some if member.key not in seen}
            seen.update(own)
            everybody.update((member.item, Member(member.item, member.key, {})) for member in some)
            left = [member for member in own.values() if not known.is_settled(member)]
            settled += len(some) - len(left)
            fresh = [member for member in left if not known.was_asked(member)]
            # What no batch could answer is asked alone.
            again = [member for member in left if known.was_asked(member)]
            alone = [
                Batch((one,), batch.examples, known.times_alone(one))
                for batch in batches(again)
                for one in batch.members
            ]
            for batch in (*batches(fresh), *alone):
                made = request(batch)
                if made is not None:
                    yield made

    def told(made: Request, reply: Reply) -> Sequence[Request]:
        nonlocal settled
        reserved.pop(made.key, None)
        batch = under_way.pop(made.key)
        if reply.failed is None:
            kept.add(made.key, made.chars, reply, made.members)
            asked.new += 1
        more = _after(batch, reply, known, spec.again)
        waits = {member.key for further, _ in more for member in further.members}
        settled += sum(member.key not in waits for member in batch.members)
        progress(settled, kept.spent)
        requests = [request(further, unread) for further, unread in more]
        return [one for one in requests if one is not None]

    line = waiting()
    first = next(line, None)
    if first is not None:
        provider().ask(chained(first, line), told)
    for item, member in everybody.items():
        answer = known.answer(member)
        if answer is not None and (asked.stopped is None or known.is_settled(member)):
            asked.answers[item] = answer
    return asked


def _after(batch: Batch, reply: Reply, known: Members, again: int) -> list[tuple[Batch, str]]:
    """Return the batches that are asked after a reply, and what was wrong with it."""
    if reply.failed is not None:
        if len(batch.members) > 1 and reply.too_much:
            return [(half, "") for half in batch.halves()]
        known.failed |= dict.fromkeys((member.key for member in batch.members), reply.failed)
        return []
    left = [member for member in batch.members if not known.reads(member)]
    if not left:
        return []
    if len(left) < len(batch.members):
        return [(batch.of(left), "")]
    if batch.attempt < again:
        answer = known.answer(left[0])
        unread = answer.read.unread if answer else None
        return [(Batch(batch.members, batch.examples, batch.attempt + 1), unread or "")]
    return [(half, "") for half in batch.halves()] if len(left) > 1 else []


def chunks(members: Iterable[Member], size: int) -> Iterator[list[Member]]:
    """Yield members so many at a time."""
    some: list[Member] = []
    for member in members:
        some.append(member)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
