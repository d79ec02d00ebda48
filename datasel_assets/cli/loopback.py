"""Servers on the loopback interface: what all of them refuse, and how they answer.

Belongs here: the check of the host, headers, quiet logs. Does not: what is served (``file_server``, ``label_server``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

HOST = "127.0.0.1"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class LoopbackServer(ThreadingHTTPServer):
    """A server that other processes of this machine can ask, and nobody else."""

    daemon_threads = True
    allow_reuse_address = False


@contextmanager
def running(server: LoopbackServer) -> Iterator[str]:
    """Serve while the block runs; gives the address."""
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class LoopbackHandler(BaseHTTPRequestHandler):
    """Answers requests that were meant for this server."""

    server: LoopbackServer
    server_version = "datasel"
    sys_version = ""
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the command."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in plain text."""
        self.send_content(code, TEXT, f"{message or HTTPStatus(code).phrase}\n".encode())

    def is_meant(self) -> bool:
        """Tell whether the request names this server by its own address; if not, it has been refused.

        Another site that had its name point here would otherwise use this server through the browser.
        """
        if self.headers.get("Host", "") in {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}:
            return True
        self.send_error(HTTPStatus.FORBIDDEN, "ask for this server by its own address")
        return False

    def send_content(self, code: int, headers: Mapping[str, str], content: bytes, body: bool = True) -> None:
        """Send an answer; without ``body`` its head only."""
        self.send_head(code, headers, len(content))
        if body and self.command != "HEAD":
            self.wfile.write(content)

    def send_head(self, code: int, headers: Mapping[str, str], size: int) -> None:
        """Send the head of an answer of ``size`` bytes."""
        self.send_response(code)
        fixed = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Content-Length": str(size)}
        for name, value in {**headers, **fixed}.items():
            self.send_header(name, value)
        self.end_headers()
