"""Pairs asked in rounds: as many at once as have to be asked anyway, with everything deduced that can be.

Belongs here: the order of questions and what became of each pair. Does not: what follows from what (``deduction``), who
answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.crowd.deduction import Deduction, Edge

Ask = Callable[[list[tuple[int, int]]], Sequence[tuple[bool, float]]]
"""Asks about pairs of items; for each whether they are the same and how sure that is."""

CERTAIN = 0.95
AGAIN = 2
"""How often a pair is asked again at most because it contradicts others."""


@dataclass(frozen=True, eq=False)
class Matched:
    """What became of p pairs.

    Attributes:
        is_same: (p,) bool.
        was_asked: (p,) bool; the others follow from those.
        round: (p,) int64, the round in which a pair was asked first, from 1; 0 where it never was.
        questions: how many were asked in all, those asked again included.
        conflicts: contradictions that were met.
    """

    is_same: np.ndarray
    was_asked: np.ndarray
    round: np.ndarray
    questions: int
    conflicts: int

    @property
    def rounds(self) -> int:
        """Return how many rounds there were."""
        return int(self.round.max(initial=0))


def match(
    pairs: np.ndarray,
    likelihood: np.ndarray,
    ask: Ask,
    n_items: int,
    per_round: int | None = None,
    certain: float = CERTAIN,
) -> Matched:
    """Ask about pairs, the likeliest first, and deduce whatever follows from answers that are certain.

    Args:
        pairs: (p, 2) int.
        likelihood: (p,) how likely a pair is the same; ties by place.
        ask: is called once a round.
        n_items: items, 0..n_items-1.
        per_round: pairs at once; None: all that have to be asked whatever the others say. 1: one after the other,
            which asks least and takes longest.
        certain: answers that are less sure stand for their own pair, and nothing is deduced from them.

    Returns:
        A pair whose answers contradict those of others is asked again, at most ``AGAIN`` times, the weakest answer of
        the cycle first; after that the surer answers stand.
    """
    order = np.argsort(-np.asarray(likelihood, np.float64), kind="stable").tolist()
    place = {tuple(sorted(_pair(pairs, number))): number for number in order}
    answered: dict[int, Edge] = {}
    times, first = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.int64)
    known, again = Deduction(n_items), list[int]()
    conflicts = done = start = 0

    def is_open(number: int) -> bool:
        return number not in answered and known.known(*_pair(pairs, number)) is None

    while True:
        while start < len(order) and not is_open(order[start]):
            start += 1
        waiting = order[start : start + 1] if per_round == 1 else [one for one in order[start:] if is_open(one)]
        batch = again + independent(pairs, waiting, known, per_round)
        if not batch:
            break
        done += 1
        edges = [
            Edge(*_pair(pairs, number), bool(is_same), float(certainty))
            for number, (is_same, certainty) in zip(batch, ask([_pair(pairs, one) for one in batch]), strict=True)
        ]
        answered |= dict(zip(batch, edges, strict=True))
        np.add.at(times, batch, 1)
        first[batch] = np.where(first[batch] > 0, first[batch], done)
        if again:
            # An answer has changed, and with it what followed from it.
            known, start, edges = Deduction(n_items), 0, list(answered.values())
        against = add_certain(known, edges, certain)
        if against and not again:
            known = Deduction(n_items)
            against = add_certain(known, list(answered.values()), certain)
        conflicts += len(against)
        weakest = dict.fromkeys(place[tuple(sorted((edge.a, edge.b)))] for edge in against)
        again = [number for number in weakest if times[number] <= AGAIN]
    told = []
    for number in range(len(pairs)):
        follows = known.known(*_pair(pairs, number))
        told.append(answered[number].is_same if follows is None else follows)
    return Matched(np.array(told, bool), times > 0, first, int(times.sum()), conflicts)


def _pair(pairs: np.ndarray, number: int) -> tuple[int, int]:
    return int(pairs[number][0]), int(pairs[number][1])


def add_certain(known: Deduction, edges: Sequence[Edge], certain: float) -> list[Edge]:
    """Add the certain answers, surest first; return the weakest answer of each contradiction."""
    usable = sorted((one for one in edges if one.certainty >= certain), key=lambda one: (-one.certainty, one.a, one.b))
    return [weakest for edge in usable if (weakest := known.add(edge)) is not None]


def independent(pairs: np.ndarray, waiting: Sequence[int], known: Deduction, per_round: int | None) -> list[int]:
    """Return the pairs that have to be asked whatever those before them turn out to be.

    Args:
        pairs: (p, 2).
        waiting: those about which nothing is known, the likeliest first.
        known: what is known.
        per_round: pairs at most.
    """
    parent: dict[int, int] = {}
    apart: dict[int, set[int]] = {}

    def find(item: int) -> int:
        while (above := parent.get(item, item)) != item:
            parent[item] = parent.get(above, above)
            item = above
        return item

    for one, other in known.different_sets():
        apart.setdefault(one, set()).add(other)
        apart.setdefault(other, set()).add(one)
    batch: list[int] = []
    for number in waiting:
        if per_round is not None and len(batch) >= per_round:
            break
        a, b = (find(known.find(item)) for item in _pair(pairs, number))
        if a == b:
            continue
        if not any(find(other) == b for other in apart.get(a, ())):
            batch.append(number)
        # It may turn out to be the same even if it would have to differ were others the same: united in any case.
        parent[b] = a
        apart.setdefault(a, set()).update(apart.pop(b, ()))
    return batch
