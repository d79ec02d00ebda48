"""Pairs of near duplicates asked in rounds, the most alike first, with everything deduced that follows from answers.

Belongs here: which pairs a round asks about, and what is decided about each pair. Does not: what follows from what
(``crowd.deduction``), rounds (``crowd.rounds``), what becomes of a decision (``tables.duplicates``).

A pair whose two orders got two answers is not the same, and nothing is deduced from it; neither is anything from one
whose reply cannot be read. Each source's step goes through all pairs of the pool: what was asked for another source is
kept, and costs nothing again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.answers.batch import member_of
from datasel_assets.answers.prompts import AskedRow
from datasel_assets.answers.requests import Item, pair_items, request_of
from datasel_assets.crowd.rounds import Matched, match
from datasel_assets.models.asking import Asked, ask_all
from datasel_assets.models.batch_asking import ask_in_batches
from datasel_assets.models.providers import Provider
from datasel_assets.storage.replies import KeptReplies, Spent
from datasel_assets.tables.answers.batches import CHUNK, Together
from datasel_assets.tables.answers.questions import NEAR_PAIRS, Questions, read_rows
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True, eq=False)
class Adjudicated:
    """What came of a pool's pairs.

    Attributes:
        asked: answers about the items that were asked.
        pairs: ``row_id``, ``other``, ``similarity``, ``is_same``, ``was_asked`` and ``round`` (0: followed from others)
            of the pairs that may be asked about.
        conflicts: answers that contradicted each other.
    """

    asked: Asked
    pairs: pl.DataFrame
    conflicts: int


class _StoppedError(Exception):
    """A limit was reached within a round."""


def adjudicate(
    own: Questions,
    warehouse: Warehouse,
    kept: KeptReplies,
    provider: Callable[[], Provider],
    together: Together | None,
    progress: Callable[[int, Spent], None],
) -> Adjudicated:
    """Ask about pairs until all are decided or a limit is reached; see ``Asked.stopped``."""
    table = warehouse.lake.scan((NEAR_PAIRS,)).collect()
    names = sorted({*table["row_id"], *table["other"]})
    number = {name: place for place, name in enumerate(names)}
    pairs = np.array([(number[a], number[b]) for a, b in table.select("row_id", "other").iter_rows()], np.int64)
    pairs = pairs.reshape(-1, 2)
    asked_about = {
        tuple(pair): (row, other)
        for pair, (row, other, is_asked) in zip(
            pairs.tolist(), table.select("row_id", "other", "is_asked").iter_rows(), strict=True
        )
        if is_asked
    }
    rows = _rows(own, warehouse, {name for pair in asked_about.values() for name in pair})
    answers, times, new = Asked(), dict.fromkeys(asked_about, 0), 0

    def ask(round_pairs: list[tuple[int, int]]) -> Sequence[tuple[bool, float]]:
        nonlocal new
        todo = [pair for pair in round_pairs if pair in asked_about]
        items = {pair: list(_items(own, *asked_about[pair], times[pair])) for pair in todo}
        for pair in todo:
            times[pair] += 1
        flat = [item for pair in todo for item in items[pair]]
        found = _asked(own, warehouse, kept, provider, together, rows, flat, lambda done, spent: progress(0, spent))
        answers.answers.update(found.answers)
        answers.new += found.new
        if found.stopped:
            answers.stopped = found.stopped
            raise _StoppedError
        progress(len(answers.answers), kept.spent)
        return [_said(found, items[pair]) if pair in items else (True, 1.0) for pair in round_pairs]

    try:
        told = match(pairs, table["similarity"].to_numpy(), ask, len(names))
    except _StoppedError:
        return Adjudicated(answers, pl.DataFrame(), 0)
    return Adjudicated(answers, _decided(table, told), told.conflicts)


def _decided(table: pl.DataFrame, told: Matched) -> pl.DataFrame:
    decided = table.with_columns(
        is_same=pl.Series(told.is_same, dtype=pl.Boolean),
        was_asked=pl.Series(told.was_asked, dtype=pl.Boolean),
        round=pl.Series(told.round, dtype=pl.Int64),
    )
    return decided.filter("is_asked").drop("is_asked")


def _items(own: Questions, row: str, other: str, times: int) -> Iterable[Item]:
    """Yield what is asked about a pair; another time it is another sample."""
    samples = own.spec.samples
    for item in pair_items(own.ask, row, other, samples, swap=own.pairs.swap):
        yield Item(row, other=other, swapped=item.swapped, sample=item.sample + times * samples)


def _said(found: Asked, items: Sequence[Item]) -> tuple[bool, float]:
    """Return whether a pair is the same by the mean of its answers, and how far that is from a toss-up."""
    values = [found.answers[item].read.numbers.get("score") for item in items if item in found.answers]
    known = [value for value in values if value is not None]
    if len(known) < len(items) or not known:
        return False, 0.5
    mean = float(np.mean(known))
    return mean > 0.5, max(mean, 1 - mean)


def _rows(own: Questions, warehouse: Warehouse, wanted: set[str]) -> dict[str, AskedRow]:
    found: dict[str, AskedRow] = {}
    for source in warehouse.active_sources():
        for some in read_rows(warehouse, source, wanted):
            found |= some
    return found


def _asked(
    own: Questions,
    warehouse: Warehouse,
    kept: KeptReplies,
    provider: Callable[[], Provider],
    together: Together | None,
    rows: dict[str, AskedRow],
    items: Sequence[Item],
    progress: Callable[[int, Spent], None],
) -> Asked:
    decides = own.decides(warehouse)
    if together is None:
        requests = (request_of(own.spec, own.ask, item, rows, decides) for item in items)
        return ask_all(requests, own.spec, own.ask, kept, provider, progress=progress)
    members = (member_of(own.spec, own.ask, item, rows, decides) for item in items)
    return ask_in_batches(
        members, together.batches, CHUNK, own.spec, own.ask, kept, decides, provider, progress=progress
    )
