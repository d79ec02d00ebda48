"""The labelling page on the loopback interface: one row at a time.

Belongs here: requests and what they are refused for. Does not: which row comes next (``label_queue``), the page
(``label_page.html``).

Text of rows leaves here as JSON and is put on the page as text, so that markup in a row is never a page. A request that
changes something must bear a token that only the page knows, so that no other site can answer in a worker's name.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from typing import Any

from datasel_assets.cli.label_queue import LabelQueue, NotTaken, Task, checked_worker
from datasel_assets.cli.loopback import HOST, LoopbackHandler, LoopbackServer, running

PAGE = Path(__file__).with_name("label_page.html")
TOKEN = "X-Datasel-Token"
MOST_BYTES = 1 << 14
JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}


@contextmanager
def serve_labels(queue: LabelQueue, about: Mapping[str, Any], port: int) -> Iterator[str]:
    """Serve the page while the block runs; gives the address.

    Args:
        queue: who gets what.
        about: ``name``, ``question`` and ``guidelines``.
        port: the port to take; where another process has it, any that is free.
    """
    try:
        server = _Server((HOST, port), queue, about)
    except OSError:
        server = _Server((HOST, 0), queue, about)
    with running(server) as address:
        yield address


class _Server(LoopbackServer):
    def __init__(self, address: tuple[str, int], queue: LabelQueue, about: Mapping[str, Any]) -> None:
        self.queue, self.about, self.token = queue, {**about, "answers": list(queue.answers)}, secrets.token_urlsafe()
        super().__init__(address, _Handler)


class _Handler(LoopbackHandler):
    server: _Server

    def do_GET(self) -> None:
        if not self.is_meant():
            return
        if self.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND, "no such page")
            return
        nonce = secrets.token_urlsafe(16)
        page = PAGE.read_text("utf-8").replace("__NONCE__", nonce).replace("__TOKEN__", self.server.token)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        self.send_content(HTTPStatus.OK, {**headers, "Referrer-Policy": "no-referrer"}, page.encode())

    def do_POST(self) -> None:
        if not self.is_meant():
            return
        if not compare_digest(self.headers.get(TOKEN, "").encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.FORBIDDEN, "this page is of an earlier start; load it again")
            return
        actions = {"/about": self._about, "/next": self._next, "/answer": self._answer, "/undo": self._undo}
        try:
            action, asked = actions.get(self.path), self._body()
            if action is None:
                self.send_error(HTTPStatus.NOT_FOUND, "no such page")
                return
            found = action(asked)
        except NotTaken as error:
            self.send_error(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"the answer was not kept: {error.strerror or error}")
        else:
            self.send_content(HTTPStatus.OK, JSON, json.dumps(found).encode())

    def _body(self) -> dict[str, Any]:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MOST_BYTES:
            raise NotTaken("the request is too large, or does not say how large it is")
        try:
            asked = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise NotTaken("the request must be a JSON object")
        return asked

    def _about(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.server.about)

    def _next(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker = checked_worker(asked.get("worker"))
        return self._shown(worker, self.server.queue.next(worker))

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker, seconds = checked_worker(asked.get("worker")), asked.get("seconds")
        took = float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else None
        content, answer = str(asked.get("content_hash")), str(asked.get("answer"))
        return self._shown(worker, self.server.queue.answer(worker, content, answer, took))

    def _undo(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        worker = checked_worker(asked.get("worker"))
        return self._shown(worker, self.server.queue.undo(worker))

    def _shown(self, worker: str, task: Task | None) -> dict[str, Any]:
        shown = None if task is None else {name: getattr(task, name) for name in ("content_hash", "prompt", "response")}
        return {"worker": worker, "task": shown, **self.server.queue.progress(worker)}
