"""Which row a worker of the labelling page gets, and what becomes of the answer.

Belongs here: the queue of one file of labels, shared by all workers of the page. Does not: HTTP (``label_server``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

MOST_NAME = 80


class NotTaken(ValueError):
    """An answer that cannot be taken; says why."""


@dataclass(frozen=True)
class Task:
    """A row to be asked about.

    Attributes:
        row_id: the row.
        content_hash: its content, by which it is known.
        prompt: what is shown first.
        response: what is shown then.
        n: answers that it has.
        is_golden: asked to check the worker, who cannot tell.
    """

    row_id: str
    content_hash: str
    prompt: str
    response: str
    n: int = 0
    is_golden: bool = False


@dataclass
class LabelQueue:
    """The tasks of one file of labels and who has which; safe to use from several threads.

    Attributes:
        tasks: in the order in which they are asked, golden ones among them.
        answers: what can be answered.
        most: answers to a task at most; golden ones are asked of everybody.
        golden_rate: share of golden tasks among what a worker gets.
        write: keeps an answer where a crash cannot undo it.
        answered: worker -> contents that he has answered before.
    """

    tasks: Sequence[Task]
    answers: Sequence[str]
    most: int
    golden_rate: float
    write: Callable[[Mapping[str, Any]], None]
    answered: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._by_content = {task.content_hash: task for task in self.tasks}
        self._counts = {task.content_hash: task.n for task in self.tasks}
        self._out: dict[str, str] = {}
        self._given: dict[str, list[str]] = {}

    def next(self, worker: str) -> Task | None:
        """Return the next task of a worker, None where there is none: what is out already before anything else."""
        with self._lock:
            return self._next(worker)

    def answer(self, worker: str, content: str, answer: str, seconds: float | None) -> Task | None:
        """Keep an answer and return the next task.

        Raises:
            NotTaken: the task is not one of these, or the answer none that can be given.
        """
        with self._lock:
            task = self._by_content.get(content)
            if task is None:
                raise NotTaken("there is no such task; load the page again")
            if answer not in self.answers:
                raise NotTaken(f"{answer!r} is none of the answers")
            self._write(worker, task, answer, seconds)
            if content not in self.answered.setdefault(worker, set()):
                self.answered[worker].add(content)
                self._counts[content] += 1
            self._given.setdefault(worker, []).append(content)
            self._out.pop(worker, None)
            return self._next(worker)

    def undo(self, worker: str) -> Task:
        """Take the last answer of a worker back and return its task.

        Raises:
            NotTaken: he has given none since the page was started.
        """
        with self._lock:
            given = self._given.get(worker)
            if not given:
                raise NotTaken("there is no answer to take back")
            task = self._by_content[given[-1]]
            self._write(worker, task, None, None)
            given.pop()
            self.answered[worker].discard(task.content_hash)
            self._counts[task.content_hash] -= 1
            self._out[worker] = task.content_hash
            return task

    def progress(self, worker: str) -> dict[str, int]:
        """Return how many answers a worker has given, and how many he may still give."""
        with self._lock:
            done = self.answered.get(worker, set())
            left = sum(self._is_open(task, worker) for task in self.tasks if not task.is_golden)
            return {"done": len(done & self._by_content.keys()), "left": left}

    def _next(self, worker: str) -> Task | None:
        held = self._out.get(worker)
        if held is not None:
            return self._by_content[held]
        done = len(self.answered.get(worker, ()))
        ours = [task for task in self.tasks if not task.is_golden and self._is_open(task, worker)]
        golden = [task for task in self.tasks if task.is_golden and self._is_open(task, worker)]
        is_due = int((done + 1) * self.golden_rate) > int(done * self.golden_rate)
        # What others are looking at is asked last: they may be gone, or about to answer.
        others = {content for who, content in self._out.items() if who != worker}
        free = [task for task in ours if task.content_hash not in others] or ours
        chosen = golden if golden and ours and is_due else free
        if not chosen:
            return None
        self._out[worker] = chosen[0].content_hash
        return chosen[0]

    def _is_open(self, task: Task, worker: str) -> bool:
        asked = task.content_hash in self.answered.get(worker, ())
        return not asked and (task.is_golden or self._counts[task.content_hash] < self.most)

    def _write(self, worker: str, task: Task, answer: str | None, seconds: float | None) -> None:
        record = {"row_id": task.row_id, "content_hash": task.content_hash, "worker": worker, "answer": answer}
        self.write({**record, "seconds": None if seconds is None else round(seconds, 1)})


def checked_worker(name: Any) -> str:
    """Return the name of a worker as it is written down.

    Raises:
        NotTaken: it is empty, long, or no text that can be printed.
    """
    plain = " ".join(name.split()) if isinstance(name, str) else ""
    if not plain or len(plain) > MOST_NAME or not plain.isprintable():
        raise NotTaken(f"say who you are, in at most {MOST_NAME} characters")
    return plain
