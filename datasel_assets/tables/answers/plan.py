"""What asking the questions of a file will take, told before anything is sent.

Belongs here: the requests that have no reply yet, counted. Does not: estimates and limits (``answers.cost``), which
rows are asked about (``questions``).
"""

from collections.abc import Iterator

from datasel_assets.answers.batch import batch_request
from datasel_assets.answers.cost import Plan, minutes
from datasel_assets.answers.requests import Request, request_of
from datasel_assets.models.asking import chars_per_token
from datasel_assets.models.batch_asking import Members, chunks
from datasel_assets.storage.replies import KeptReplies
from datasel_assets.tables.answers.batches import CHUNK, Together
from datasel_assets.tables.answers.questions import Questions
from datasel_assets.tables.warehouse import Warehouse

PLANNED = 5000
"""Requests that a plan looks at; of more it takes a sample."""


def plan(own: Questions, warehouse: Warehouse, kept: KeptReplies) -> Plan:
    """Return what asking about the whole pool will take; nothing is sent.

    Args:
        own: the file.
        warehouse: the opened data folder.
        kept: replies that are there.
    """
    chosen = own.chosen(warehouse)
    sources = sorted(chosen["source"].unique().to_list())
    looked = _batches if own.spec.together else _one_by_one
    requests, seen, unanswered = looked(own, warehouse, kept, sources)
    rate = chars_per_token(kept.spent)
    scale = requests / seen if seen else 0.0
    tokens_in = round(sum(request.tokens(rate) for request in unanswered) * scale)
    tokens_out = round(sum(1 if request.options else request.max_tokens for request in unanswered) * scale)
    left, spent = round(len(unanswered) * scale), kept.spent
    return Plan(
        rows=chosen.height,
        requests=requests,
        kept=requests - left,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        money=own.spec.price.of(tokens_in, tokens_out),
        minutes=minutes(
            own.spec, left, tokens_in, tokens_out, spent.seconds / spent.replies if spent.replies else None
        ),
        sampled=seen,
        spent_tokens=spent.tokens_in + spent.tokens_out,
        spent_money=own.spec.price.of(spent.tokens_in, spent.tokens_out),
    )


def _one_by_one(
    own: Questions, warehouse: Warehouse, kept: KeptReplies, sources: list[str]
) -> tuple[int, int, list[Request]]:
    """Return how many requests there are, how many were looked at, and those of these without a reply."""
    decides = own.decides(warehouse)
    groups = [(items, rows) for source in sources for items, rows in own.items(warehouse, source)]
    requests = sum(len(items) for items, _ in groups)
    step = max(1, -(-requests // PLANNED))
    every = ((item, rows) for items, rows in groups for item in items)
    looked = [
        request_of(own.spec, own.ask, item, rows, decides) for at, (item, rows) in enumerate(every, 1) if at % step == 0
    ]
    return requests, len(looked), [request for request in looked if kept.get(request.key) is None]


def _batches(
    own: Questions, warehouse: Warehouse, kept: KeptReplies, sources: list[str]
) -> tuple[int, int, list[Request]]:
    """Return the same of batches: those that are settled count as full ones."""
    size = own.spec.batch.size if own.spec.batch else 1
    known, together, decides = Members(own.spec, own.ask, kept), Together(own, warehouse), own.decides(warehouse)
    settled, questions, found = 0, 0, list[Request]()

    def unanswered() -> Iterator[Request]:
        nonlocal settled, questions
        for source in sources:
            for some in chunks(together.members(source), CHUNK):
                left = [member for member in some if not known.is_settled(member)]
                settled += len(some) - len(left)
                for batch in together.batches(left):
                    questions += len(batch.members)
                    yield batch_request(own.spec, own.ask, batch, decides)

    for request in unanswered():
        found.append(request)
        if len(found) == PLANNED:
            break
    done = -(-settled // size)
    if len(found) < PLANNED:
        return len(found) + done, len(found) + done, found
    every = sum(own.count(warehouse, source) for source in sources)
    requests = done + round((every - settled) / max(questions, 1) * len(found))
    return requests, len(found) + done, found
