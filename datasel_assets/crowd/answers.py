"""The answers that truth is inferred from, as three columns of numbers.

Belongs here: the columns, what they must hold, counts and votes. Does not: what is inferred from them (``truth``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

NO_GOLD = -1
"""Class of a task whose right answer nobody knows."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Who answered what; a answers to n tasks by m workers, each one of K classes.

    Attributes:
        task: (a,) int64, 0..n-1.
        worker: (a,) int64, 0..m-1.
        answer: (a,) int64, 0..K-1.
        n_tasks: n.
        n_workers: m.
        n_classes: K, at least 2.
        gold: (n,) int64, the right answer of a golden task, -1 of any other.

    Raises:
        ValueError: a number is outside its range, or the columns differ in length.
    """

    task: np.ndarray
    worker: np.ndarray
    answer: np.ndarray
    n_tasks: int
    n_workers: int
    n_classes: int
    gold: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise ValueError(f"{self.n_classes} classes: there must be two or more to choose from")
        for name, bound in (("task", self.n_tasks), ("worker", self.n_workers), ("answer", self.n_classes)):
            values = np.asarray(getattr(self, name), np.int64)
            if values.shape != np.shape(self.task):
                raise ValueError(f"{values.size} values of {name!r} for {np.size(self.task)} answers")
            if values.size and not (values.min() >= 0 and values.max() < bound):
                raise ValueError(f"{name} must be 0..{bound - 1}, but {values.min()}..{values.max()} was given")
            object.__setattr__(self, name, values)
        gold = np.asarray(self.gold, np.int64)
        gold = gold if gold.size else np.full(self.n_tasks, NO_GOLD)
        if gold.shape != (self.n_tasks,) or (gold.size and (gold.min() < NO_GOLD or gold.max() >= self.n_classes)):
            raise ValueError(
                f"gold must hold -1 or a class of 0..{self.n_classes - 1} for each of {self.n_tasks} tasks"
            )
        object.__setattr__(self, "gold", gold)

    def __len__(self) -> int:
        return len(self.task)

    @cached_property
    def per_task(self) -> np.ndarray:
        """Return (n,) int64, the answers of each task."""
        return np.bincount(self.task, minlength=self.n_tasks)

    @cached_property
    def per_worker(self) -> np.ndarray:
        """Return (m,) int64, the answers of each worker."""
        return np.bincount(self.worker, minlength=self.n_workers)

    @cached_property
    def is_golden(self) -> np.ndarray:
        """Return (n,) bool, the tasks whose right answer is known."""
        return self.gold != NO_GOLD

    @cached_property
    def incidence(self) -> csr_array:
        """Return (n, m K) float64: how often a worker gave a class to a task, column = worker K + class.

        In this form an E-step and an M-step of every method with a table per worker are products of matrices, and
        their sums do not depend on the order in which answers came.
        """
        columns = self.worker * self.n_classes + self.answer
        shape = (self.n_tasks, self.n_workers * self.n_classes)
        found = csr_array((np.ones(len(self)), (self.task, columns)), shape=shape)
        found.sum_duplicates()
        return found

    def votes(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return (n, K) float64, the votes for each class.

        Args:
            weights: (m,) what the vote of a worker counts; None: 1.
        """
        table = np.ones(self.n_workers) if weights is None else np.asarray(weights, np.float64)
        block = np.zeros((self.n_workers, self.n_classes, self.n_classes))
        block[:, np.arange(self.n_classes), np.arange(self.n_classes)] = table[:, None]
        return self.incidence @ block.reshape(-1, self.n_classes)

    def pinned(self, posterior: np.ndarray) -> np.ndarray:
        """Return a posterior (n, K) with the golden tasks at their known class."""
        found = posterior.copy()
        rows = np.flatnonzero(self.is_golden)
        found[rows] = 0.0
        found[rows, self.gold[rows]] = 1.0
        return found

    def without_workers(self, left_out: np.ndarray) -> "Answers":
        """Return the answers but for those of some workers, (m,) bool; tasks and workers keep their numbers."""
        kept = ~np.asarray(left_out, bool)[self.worker]
        columns = (self.task[kept], self.worker[kept], self.answer[kept])
        return Answers(*columns, self.n_tasks, self.n_workers, self.n_classes, self.gold)


@dataclass(frozen=True, eq=False)
class Named:
    """Answers with the names behind their numbers, sorted.

    Attributes:
        answers: the numbers.
        tasks: (n,) names.
        workers: (m,) names.
        classes: (K,) names.
    """

    answers: Answers
    tasks: list[str]
    workers: list[str]
    classes: list[str]


def numbered(
    task: Sequence[str],
    worker: Sequence[str],
    answer: Sequence[str],
    classes: Sequence[str] | None = None,
    gold: Mapping[str, str] | None = None,
) -> Named:
    """Return answers that are given by names.

    Args:
        task: (a,) of each answer.
        worker: (a,).
        answer: (a,).
        classes: all that there are, in their order; None: those that were named, sorted.
        gold: task -> class where it is known; tasks that nobody answered are among the tasks too.
    """
    gold = gold or {}
    tasks, workers = sorted({*task, *gold}), sorted(set(worker))
    chosen = list(classes) if classes is not None else sorted({*answer, *gold.values()})
    places = [{name: number for number, name in enumerate(names)} for names in (tasks, workers, chosen)]
    own, whose, what = (
        np.array([place[name] for name in names], np.int64)
        for place, names in zip(places, (task, worker, answer), strict=True)
    )
    known = np.array([places[2][gold[name]] if name in gold else NO_GOLD for name in tasks], np.int64)
    return Named(Answers(own, whose, what, len(tasks), len(workers), len(chosen), known), tasks, workers, chosen)
