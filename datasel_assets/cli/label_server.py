"""The labelling page on the loopback interface: one row at a time.

Belongs here: what the page asks and is answered. Does not: which row comes next (``label_queue``), the page
(``label_page.html``), what every page is held to (``page_server``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasel_assets.cli.label_queue import LabelQueue, Task, checked_worker
from datasel_assets.cli.loopback import HOST, running
from datasel_assets.cli.page_server import PageServer

PAGE = Path(__file__).with_name("label_page.html")


@contextmanager
def serve_labels(queue: LabelQueue, about: Mapping[str, Any], port: int) -> Iterator[str]:
    """Serve the page while the block runs; gives the address.

    Args:
        queue: who gets what.
        about: ``name``, ``question`` and ``guidelines``.
        port: the port to take; where another process has it, any that is free.
    """
    told = _Asked(queue, {**about, "answers": list(queue.answers)})
    actions = {"/about": told.about, "/next": told.next, "/answer": told.answer, "/undo": told.undo}
    try:
        server = PageServer((HOST, port), PAGE, actions)
    except OSError:
        server = PageServer((HOST, 0), PAGE, actions)
    with running(server) as address:
        yield address


class _Asked:
    """What the page may ask."""

    def __init__(self, queue: LabelQueue, about: Mapping[str, Any]) -> None:
        self.queue, self.told = queue, about

    def about(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.told)

    def next(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker = checked_worker(asked.get("worker"))
        return self._shown(worker, self.queue.next(worker))

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker, seconds = checked_worker(asked.get("worker")), asked.get("seconds")
        took = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else None
        content, answer = str(asked.get("content_hash")), str(asked.get("answer"))
        return self._shown(worker, self.queue.answer(worker, content, answer, took))

    def undo(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker = checked_worker(asked.get("worker"))
        return self._shown(worker, self.queue.undo(worker))

    def _shown(self, worker: str, task: Task | None) -> dict[str, Any]:
        shown = None if task is None else {name: getattr(task, name) for name in ("content_hash", "prompt", "response")}
        return {"worker": worker, "task": shown, **self.queue.progress(worker)}
