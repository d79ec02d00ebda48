"""A page on the loopback interface with questions that it sends back: what every such page is held to.

Belongs here: the page, its files and its policy, the token, requests in JSON. Does not: what is asked
(``label_server``, ``explore_server``).

Text of rows leaves as JSON and is put on the page as text, so that markup in a row is never a page. A request must bear
a token that only the page knows, so that no other site can ask in its name.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from typing import Any

from datasel_assets.cli.loopback import LoopbackHandler, LoopbackServer

TOKEN = "X-Datasel-Token"
MOST_BYTES = 1 << 14
JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
BINARY = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

Action = Callable[[Mapping[str, Any]], Any]


class PageServer(LoopbackServer):
    """A server of one page.

    Args:
        address: host and port.
        page: the file of the page; ``__NONCE__`` and ``__TOKEN__`` in it are filled in.
        actions: path -> what answers the JSON object that is posted there, with what JSON can hold, or with bytes; it
            raises ValueError where a request cannot be carried out, and says why.
        files: scripts and styles that the page loads.
    """

    def __init__(
        self,
        address: tuple[str, int],
        page: Path,
        actions: Mapping[str, Action],
        files: Mapping[str, Path] | None = None,
    ) -> None:
        self.page, self.actions, self.files = page, dict(actions), dict(files or {})
        self.token = secrets.token_urlsafe()
        super().__init__(address, _Handler)


class _Handler(LoopbackHandler):
    server: PageServer

    def do_GET(self) -> None:
        if not self.is_meant():
            return
        if self.path in self.server.files:
            file = self.server.files[self.path]
            self.send_content(HTTPStatus.OK, {"Content-Type": KINDS[file.suffix]}, file.read_bytes())
            return
        if self.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND, "no such page")
            return
        nonce = secrets.token_urlsafe(16)
        page = self.server.page.read_text("utf-8").replace("__NONCE__", nonce).replace("__TOKEN__", self.server.token)
        own = "'self' " if self.server.files else ""
        policy = (
            f"default-src 'none'; script-src {own}'nonce-{nonce}'; style-src {own}'nonce-{nonce}'; connect-src 'self'; "
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
        action = self.server.actions.get(self.path)
        if action is None:
            self.send_error(HTTPStatus.NOT_FOUND, "no such page")
            return
        try:
            found = action(self._body())
        except ValueError as error:
            self.send_error(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"it could not be done: {error.strerror or error}")
        else:
            is_bytes = isinstance(found, bytes)
            content = found if is_bytes else json.dumps(found, allow_nan=False).encode()
            self.send_content(HTTPStatus.OK, BINARY if is_bytes else JSON, content)

    def _body(self) -> dict[str, Any]:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MOST_BYTES:
            raise ValueError("the request is too large, or does not say how large it is")
        try:
            asked = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise ValueError("the request must be a JSON object")
        return asked
