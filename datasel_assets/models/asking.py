"""Questions asked until all are answered or a limit is reached, each reply kept the moment it arrives.

Belongs here: what has been answered already, asking again, limits. Does not: who answers (``endpoint``,
``local_answers``), what is asked (``answers``), which rows (``tables.answers``).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from datasel_assets.answers.reading import COMPARED, Read, read_reply
from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import CHARS_PER_TOKEN, Item, Request
from datasel_assets.models.providers import Provider
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec
from datasel_assets.storage.replies import KeptReplies, Spent


@dataclass(frozen=True)
class Answer:
    """The last reply about an item and what it says.

    Attributes:
        reply: as it came.
        read: what was read in it.
        attempts: replies that were asked for.
        tokens_in, tokens_out, latency: of all of them together.
        place: of the item in the batch that was read, from 0, and how many the batch held; None where it was alone.
    """

    reply: Reply
    read: Read
    attempts: int
    tokens_in: int
    tokens_out: int
    latency: float
    place: tuple[int, int] | None = None


@dataclass
class Asked:
    """What came of asking.

    Attributes:
        answers: by item; items that were not reached are missing.
        new: replies that were paid for now.
        stopped: which limit was reached, in words, else None.
    """

    answers: dict[Item, Answer] = field(default_factory=dict)
    new: int = 0
    stopped: str | None = None


def ask_all(
    requests: Iterable[Request],
    spec: AnswersSpec,
    ask: AskSpec,
    kept: KeptReplies,
    provider: Callable[[], Provider],
    responses: Callable[[str], str] = lambda row: "",
    progress: Callable[[int, Spent], None] = lambda done, spent: None,
) -> Asked:
    """Ask what has not been answered yet.

    Args:
        requests: the first request for each item.
        spec: samples, limits and prices.
        ask: how replies are read.
        kept: replies that are there, and where new ones go.
        provider: who is asked; called only if there is anything to ask.
        responses: row id -> its response, for replies that are compared with it.
        progress: called with the number of items that are answered and what has been spent so far.

    Raises:
        ProviderError: nothing can be asked; what was answered before is kept.
    """
    asked = Asked()
    history: dict[Item, list[Reply]] = {}
    reserved: dict[str, int] = {}
    begun = time.monotonic()

    def settle(request: Request, reply: Reply) -> Request | None:
        """Note a reply; return the request that asks again where it cannot be read."""
        replies = history.setdefault(request.item, [])
        replies.append(reply)
        read = Read(unread=None)
        if reply.failed is None:
            response = responses(request.item.row_id) if ask.reply.read in COMPARED else ""
            read = read_reply(ask.reply, reply.text, reply.logprobs, response)
            if read.unread is not None and request.attempt < spec.again:
                return request.after(reply.text, read.unread, ask)
        asked.answers[request.item] = Answer(
            reply,
            read,
            len(replies),
            sum(one.tokens_in for one in replies),
            sum(one.tokens_out for one in replies),
            round(sum(one.latency for one in replies), 4),
        )
        del history[request.item]
        progress(len(asked.answers), kept.spent)
        return None

    def known(request: Request) -> Request | None:
        """Follow what is kept; return the first request that has no reply."""
        current: Request | None = request
        while current is not None and (reply := kept.get(current.key)) is not None:
            current = settle(current, reply)
        return current

    def waiting() -> Iterator[Request]:
        for request in requests:
            unanswered = known(request)
            if unanswered is None:
                continue
            if asked.stopped is None:
                # Until the limit is raised the rest of what is kept is still read.
                asked.stopped = over_limit(spec, kept.spent, sum(reserved.values()), unanswered, begun)
            if asked.stopped is None:
                reserved[unanswered.key] = tokens_of(unanswered, kept.spent)
                yield unanswered

    def told(request: Request, reply: Reply) -> Sequence[Request]:
        reserved.pop(request.key, None)
        if reply.failed is None:
            kept.add(request.key, request.chars, reply)
            asked.new += 1
        more = settle(request, reply)
        more = known(more) if more is not None else None
        if more is None:
            return ()
        asked.stopped = asked.stopped or over_limit(spec, kept.spent, sum(reserved.values()), more, begun)
        if asked.stopped:
            del history[more.item]
            return ()
        reserved[more.key] = tokens_of(more, kept.spent)
        return (more,)

    line = waiting()
    first = next(line, None)
    if first is not None:
        provider().ask(chained(first, line), told)
    return asked


def over_limit(spec: AnswersSpec, spent: Spent, reserved: int, request: Request, begun: float) -> str | None:
    """Return in words which limit one more request would exceed, or None.

    Args:
        spec: limits and prices.
        spent: so far, for the file as a whole.
        reserved: estimated tokens of requests that are under way.
        request: the next one.
        begun: when this run began, on the monotonic clock.
    """
    limits = spec.limits
    coming = reserved + tokens_of(request, spent)
    tokens = spent.tokens_in + spent.tokens_out
    if limits.tokens is not None and tokens + coming > limits.tokens:
        return f"limits.tokens: {tokens:,} of {limits.tokens:,} tokens are spent"
    money = spec.price.of(spent.tokens_in, spent.tokens_out)
    # What is under way is counted at the dearer price: how it divides is not known before it is there.
    dearest = max(spec.price.tokens_in, spec.price.tokens_out)
    if limits.money is not None and money + coming * dearest / 1e6 > limits.money:
        return f"limits.money: {money:.4g} of {limits.money:g} are spent"
    if limits.minutes is not None and time.monotonic() - begun > 60 * limits.minutes:
        return f"limits.minutes: this run has taken {limits.minutes:g} minutes"
    return None


def chars_per_token(spent: Spent) -> float:
    """Return the length of a token of prompts, as far as it is known from replies."""
    return spent.chars / spent.tokens_in if spent.tokens_in and spent.chars else CHARS_PER_TOKEN


def tokens_of(request: Request, spent: Spent) -> int:
    """Return the tokens that a request and its reply will take at most, as far as the length of tokens is known."""
    return request.tokens(chars_per_token(spent)) + (1 if request.options else request.max_tokens)


def chained(first: Request, rest: Iterator[Request]) -> Iterator[Request]:
    """Yield requests of which the first had to be looked at."""
    yield first
    yield from rest
