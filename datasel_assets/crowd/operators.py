"""What a crowd's answers say, operator by operator: of single things their class, of pairs which are the same.

Belongs here: answers by name in, a line for each thing out. Does not: methods of inference (``truth``), what follows
from pairs (``deduction``), files of answers (``cli.crowd_operators``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.crowd.answers import Named, numbered
from datasel_assets.crowd.deduction import Deduction, Edge
from datasel_assets.crowd.posterior import TIE
from datasel_assets.crowd.rounds import CERTAIN, add_certain, independent
from datasel_assets.crowd.sampling import wilson
from datasel_assets.crowd.truth import METHODS

SAME, DIFFERENT = "same", "different"
ASKED, DEDUCED, UNSURE, CONFLICT, OPEN = "asked", "deduced", "unsure", "conflict", "open"


@dataclass(frozen=True)
class Classified:
    """What is said of one thing.

    Attributes:
        task: its name.
        answer: the most probable class, None where classes are tied.
        posterior: how probable it is.
        n: answers.
        agreed: share of them that say so.
    """

    task: str
    answer: str | None
    posterior: float
    n: int
    agreed: float


def classify(named: Named, truth: str = "majority") -> list[Classified]:
    """Return the class of each thing, by a method of ``truth.METHODS``, in the order of their names."""
    told = METHODS[truth](named.answers)
    votes = named.answers.votes()
    found = []
    for task, label, posterior, own in zip(named.tasks, told.label, told.posterior, votes, strict=True):
        n = int(own.sum())
        share = float(own[label] / n) if n and label >= 0 else 0.0
        answer = named.classes[label] if label >= 0 else None
        found.append(Classified(task, answer, float(posterior.max()), n, share))
    return found


def filtered(named: Named, keep: Collection[str], at_least: float, truth: str = "majority") -> list[Classified]:
    """Return the things whose class is one of ``keep`` with a probability of ``at_least``."""
    return [one for one in classify(named, truth) if one.answer in keep and one.posterior >= at_least]


@dataclass(frozen=True)
class Counted:
    """How common one class is.

    Attributes:
        answer: the class.
        tasks: things of it; what is tied counts in parts.
        share: of the things that were asked about.
        low, high: 95 % interval of the share in what they were drawn from.
    """

    answer: str
    tasks: float
    share: float
    low: float
    high: float


def count(named: Named, of: int | None = None, truth: str = "majority") -> list[Counted]:
    """Return how common each class is (Wilson's interval).

    Args:
        named: answers to things that were drawn at random.
        of: how many things these were drawn from; None: very many.
        truth: a method of ``truth.METHODS``.
    """
    posterior = METHODS[truth](named.answers).posterior
    best = posterior > posterior.max(axis=1, keepdims=True) - TIE
    parts = (best / best.sum(axis=1, keepdims=True)).sum(axis=0)
    n = len(named.tasks)
    return [
        Counted(name, float(part), float(part / n) if n else 0.0, *wilson(float(part), n, of))
        for name, part in zip(named.classes, parts, strict=True)
    ]


@dataclass(frozen=True)
class Pair:
    """What is known of one pair.

    Attributes:
        left, right: its things.
        is_same: whether they are the same, None where nobody knows yet.
        how: ``asked``; ``deduced`` from pairs that were; ``unsure``: the answers leave doubt; ``conflict``: they
            contradict others; ``open``.
        posterior: how probable the answers make what they say; 1 where it was deduced, NaN where nothing is known.
        next: whether it is to be asked now: open whatever the others turn out to be, unsure or in conflict.
    """

    left: str
    right: str
    is_same: bool | None
    how: str
    posterior: float
    next: bool


@dataclass(frozen=True)
class MatchedPairs:
    """What is known of all pairs, in the order in which they were given, and the sets of things that are the same."""

    pairs: list[Pair]
    sets: list[list[str]]


def match(
    pairs: Sequence[tuple[str, str, float]],
    answers: Sequence[tuple[str, str, str, bool]],
    *,
    truth: str = "majority",
    certain: float = CERTAIN,
    least: int = 1,
    per_round: int | None = None,
) -> MatchedPairs:
    """Return which pairs are the same, what follows from that, and which pairs are to be asked next.

    Answers that are less than ``certain`` stand for their own pair and nothing is deduced from them. Of a contradiction
    the weakest answer counts for nothing until it was asked again.

    Args:
        pairs: left, right, likelihood that they are the same; the likeliest are asked first. Each pair once.
        answers: left, right, worker, whether they are the same; pairs that are not among ``pairs`` count as well.
        truth: a method of ``truth.METHODS``.
        certain: how probable an answer must be to deduce from it.
        least: how many people must have answered for it to be as certain.
        per_round: pairs to ask next at most; None: all that have to be asked anyway.
    """
    names = sorted({name for left, right, *_ in [*pairs, *answers] for name in (left, right)})
    number = {name: place for place, name in enumerate(names)}
    found = _pair_answers(answers, truth, least)
    known = Deduction(len(names))
    edges = [
        Edge(number[left], number[right], same, p) for (left, right), (same, p) in found.items() if same is not None
    ]
    against = {(edge.a, edge.b) for edge in add_certain(known, edges, certain)}
    if against:
        known = Deduction(len(names))
        add_certain(known, [edge for edge in edges if (edge.a, edge.b) not in against], certain)
    order = sorted(range(len(pairs)), key=lambda place: (-pairs[place][2], place))
    told = [_told(pair, found, known, against, number, certain) for pair in pairs]
    places = np.array([(number[left], number[right]) for left, right, _ in pairs], np.int64).reshape(-1, 2)
    waiting = [place for place in order if told[place][1] == OPEN]
    doubtful = [place for place in order if told[place][1] in (UNSURE, CONFLICT)]
    ask = (doubtful + independent(places, waiting, known, per_round))[:per_round]
    asked = set(ask)
    lines = [
        Pair(left, right, *of, place in asked)
        for place, ((left, right, _), of) in enumerate(zip(pairs, told, strict=True))
    ]
    return MatchedPairs(lines, [[names[item] for item in one] for one in known.sets()])


def _pair_answers(
    answers: Sequence[tuple[str, str, str, bool]], truth: str, least: int
) -> Mapping[tuple[str, str], tuple[bool | None, float]]:
    """Return sorted pair -> what its answers say (None at a tie or of too few) and how probable that is."""
    if not answers:
        return {}
    keys = [tuple(sorted((left, right))) for left, right, *_ in answers]
    tasks = {str(place): key for place, key in enumerate(dict.fromkeys(keys))}
    of = {key: task for task, key in tasks.items()}
    said = [SAME if same else DIFFERENT for *_, same in answers]
    named = numbered([of[key] for key in keys], [worker for _, _, worker, _ in answers], said, (DIFFERENT, SAME))
    told = classify(named, truth)
    return {
        (tasks[one.task][0], tasks[one.task][1]): (
            None if one.answer is None or one.n < least else one.answer == SAME,
            one.posterior,
        )
        for one in told
    }


def _told(
    pair: tuple[str, str, float],
    found: Mapping[tuple[str, str], tuple[bool | None, float]],
    known: Deduction,
    against: Collection[tuple[int, int]],
    number: Mapping[str, int],
    certain: float,
) -> tuple[bool | None, str, float]:
    left, right = sorted(pair[:2])
    follows = known.known(number[left], number[right])
    if (left, right) not in found:
        return (None, OPEN, float("nan")) if follows is None else (follows, DEDUCED, 1.0)
    same, posterior = found[left, right]
    if (number[left], number[right]) in against:
        return follows, CONFLICT, posterior
    if same is not None and posterior >= certain:
        return same, ASKED, posterior
    return (same, UNSURE, posterior) if follows is None else (follows, DEDUCED, 1.0)
