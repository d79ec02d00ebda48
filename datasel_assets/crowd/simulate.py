"""What a way of asking would cost, how long it would take and how right it would be, before anybody is paid.

Belongs here: a crowd and a clock that are made up. Does not: real answers (``truth``), a command (``cli.crowd``).

Workers come at random (Poisson), stay for some tasks, take a lognormal time for each, and are right with a probability
of their own (Beta); whoever is wrong names another class at random.
"""

import heapq
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from datasel_assets.crowd.answers import NO_GOLD, Answers
from datasel_assets.crowd.assignment import accuracy_gain, best_tasks, entropy_gain, is_settled, one_coin, updated
from datasel_assets.crowd.posterior import accuracy
from datasel_assets.crowd.truth import METHODS
from datasel_assets.crowd.workers import is_blocked

Order = Literal["fewest", "accuracy", "entropy"]


@dataclass(frozen=True)
class Crowd:
    """Who answers.

    Attributes:
        right: (a, b) of the Beta distribution that the accuracy of a worker is drawn from.
        per_hour: workers that come in an hour.
        stay: tasks that a worker does on average before he leaves; at least 1.
        seconds: median time for a task.
        spread: standard deviation of the logarithm of that time.
    """

    right: tuple[float, float] = (8.0, 3.0)
    per_hour: float = 30.0
    stay: float = 40.0
    seconds: float = 20.0
    spread: float = 0.6


@dataclass(frozen=True)
class Policy:
    """How they are asked.

    Attributes:
        per_task: answers to a task at most.
        certainty: posterior at which a task is settled earlier; None: never.
        order: which open task a worker gets: the one with the fewest answers, or that with the largest expected gain
            of accuracy or of entropy.
        golden_rate: share of what a worker gets that has a known answer.
        replicate_after: a task that has been out for longer than this quantile of all times is given to another
            worker too, when no other is open; the first answer counts, both are paid. None: never.
        truth: method of ``truth`` that decides in the end.
        price: of an answer.
    """

    per_task: int = 3
    certainty: float | None = None
    order: Order = "fewest"
    golden_rate: float = 0.0
    replicate_after: float | None = None
    truth: str = "dawid_skene"
    price: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        answers: answers that count, golden ones not among them.
        paid: answers that were paid, golden and late ones too.
        cost: ``paid`` times the price.
        hours: until the last task was settled.
        accuracy: share of tasks told right in the end.
        workers: that gave an answer.
        blocked: of those, how many were sent away after golden tasks.
        late: answers that came after another had taken their place.
    """

    answers: int
    paid: int
    cost: float
    hours: float
    accuracy: float
    workers: int
    blocked: int
    late: int


@dataclass
class _State:
    """What has happened so far; ``out``: task -> worker who has it -> since when."""

    posterior: np.ndarray
    counts: np.ndarray
    out: dict[int, dict[int, float]] = field(default_factory=dict)
    done: list[set[int]] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


def simulate(policy: Policy, crowd: Crowd, n_tasks: int, n_classes: int = 2, seed: int = 0) -> Outcome:
    """Return the outcome of asking a made-up crowd about ``n_tasks`` tasks of ``n_classes`` classes.

    Args:
        policy: how they are asked.
        crowd: who answers.
        n_tasks: tasks.
        n_classes: classes; every one is true equally often.
        seed: of truth, workers and times; two policies with one seed meet the same truth.
    """
    draw_truth, draw = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    truth = draw_truth.integers(n_classes, size=n_tasks)
    expected = crowd.right[0] / (crowd.right[0] + crowd.right[1])
    state = _State(np.full((n_tasks, n_classes), 1 / n_classes), np.zeros(n_tasks, np.int64))
    given: list[tuple[int, int, int]] = []
    qualities: list[float] = []
    paid = late = 0
    clock = last = 0.0
    gap = 3600 / crowd.per_hour
    events: list[tuple[float, int, int, int]] = [(draw.exponential(gap), 0, -1, -1)]
    ticket = 1
    while events:
        clock, _, worker, task = heapq.heappop(events)
        if worker < 0:
            worker = len(qualities)
            qualities.append(float(draw.beta(*crowd.right)))
            state.done.append(set())
            state.right.append(0)
            state.wrong.append(0)
            state.left.append(int(draw.geometric(1 / max(crowd.stay, 1.0))))
            if not _settled(policy, state).all():
                heapq.heappush(events, (clock + draw.exponential(gap), ticket, -1, -1))
                ticket += 1
        else:
            paid += 1
            is_right = draw.random() < qualities[worker]
            if task == NO_GOLD:
                state.right[worker] += is_right
                state.wrong[worker] += not is_right
            else:
                del state.out[task][worker]
                if _settled(policy, state)[task]:
                    late += 1
                else:
                    answer = truth[task] if is_right else (truth[task] + draw.integers(1, n_classes)) % n_classes
                    given.append((task, worker, int(answer)))
                    quality = (state.right[worker] + 4 * expected) / (state.right[worker] + state.wrong[worker] + 4)
                    table = one_coin(np.clip(quality, 0.01, 0.99), n_classes)
                    state.posterior[task] = updated(state.posterior[task], table, int(answer))
                    state.counts[task] += 1
                    last = clock
        if _is_sent_away(state, worker, n_classes) or state.left[worker] <= 0:
            continue
        chosen = _next(policy, state, worker, expected, n_classes, clock, draw)
        if chosen is not None:
            seconds = float(crowd.seconds * np.exp(crowd.spread * draw.standard_normal()))
            state.times.append(seconds)
            state.left[worker] -= 1
            if chosen != NO_GOLD:
                state.out.setdefault(chosen, {})[worker] = clock
                state.done[worker].add(chosen)
            heapq.heappush(events, (clock + seconds, ticket, worker, chosen))
            ticket += 1
    columns = np.array(given, np.int64).reshape(-1, 3).T
    answers = Answers(columns[0], columns[1], columns[2], n_tasks, max(len(qualities), 1), n_classes)
    sent = [_is_sent_away(state, worker, n_classes) for worker in range(len(qualities))]
    kept = answers.without_workers(np.array(sent or [False]))
    return Outcome(
        answers=len(answers),
        paid=paid,
        cost=paid * policy.price,
        hours=last / 3600,
        accuracy=accuracy(METHODS[policy.truth](kept).posterior, truth),
        workers=len(set(columns[1].tolist())),
        blocked=sum(sent),
        late=late,
    )


def _settled(policy: Policy, state: _State) -> np.ndarray:
    return is_settled(state.posterior, state.counts, policy.certainty, policy.per_task)


def _is_sent_away(state: _State, worker: int, n_classes: int) -> bool:
    right, wrong = np.array([state.right[worker]]), np.array([state.wrong[worker]])
    return bool(is_blocked(right, wrong, n_classes)[0])


def _next(
    policy: Policy,
    state: _State,
    worker: int,
    expected: float,
    n_classes: int,
    clock: float,
    draw: np.random.Generator,
) -> int | None:
    """Return the task that a worker gets, -1 for a golden one, None for none."""
    settled = _settled(policy, state)
    out = np.zeros(len(settled), np.int64)
    for task, those in state.out.items():
        out[task] = len(those)
    mine = np.zeros(len(settled), bool)
    mine[list(state.done[worker])] = True
    may_get = ~settled & ~mine & (state.counts + out < policy.per_task)
    if may_get.any():
        if policy.golden_rate and draw.random() < policy.golden_rate:
            return NO_GOLD
        if policy.order == "fewest":
            gains = -(state.counts + out).astype(np.float64)
        else:
            gain = accuracy_gain if policy.order == "accuracy" else entropy_gain
            # What is out already may settle a task, so that its gain counts for less.
            gains = gain(state.posterior, one_coin(expected, n_classes)) / (1 + out)
        return int(best_tasks(gains, may_get, 1)[0])
    if policy.replicate_after is None or not state.times:
        return None
    limit = float(np.quantile(state.times, policy.replicate_after))
    old = [task for task, those in state.out.items() if those and clock - min(those.values()) > limit]
    waiting = [task for task in sorted(old) if not settled[task] and not mine[task] and out[task] < 2 * policy.per_task]
    return waiting[0] if waiting else None
