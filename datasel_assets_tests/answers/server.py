"""A real HTTP server on the loopback interface that answers as a test says."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG, RESET, TRUNCATED = "hang", "reset", "truncated"

Answer = tuple[int, dict[str, str], bytes] | str
"""Status, headers and body; or what goes wrong."""


@dataclass
class Judge:
    """A server and what it was asked.

    Attributes:
        url: for ``endpoint``.
        requests: bodies in the order of arrival.
        headers: of the requests.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def said(text: str, **more: Any) -> Answer:
    """Return a chat completion."""
    usage = {"prompt_tokens": 50, "completion_tokens": 2}
    body = {"choices": [{"message": {"role": "assistant", "content": text}, **more}], "usage": usage}
    return 200, {}, json.dumps(body).encode()


def with_logprobs(**of_tokens: float) -> Answer:
    """Return a chat completion with logarithms of probabilities of its first token."""
    top = [{"token": token, "logprob": value} for token, value in of_tokens.items()]
    return said(top[0]["token"], logprobs={"content": [{**top[0], "top_logprobs": top}]})


@contextmanager
def judge(answer: Callable[[dict[str, Any], int], Answer]) -> Iterator[Judge]:
    """Serve while the block runs.

    Args:
        answer: (body of the request, how many came before it) -> what is sent back.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with found.lock:
                number = len(found.requests)
                found.requests.append(body)
                found.headers.append(dict(self.headers))
            answered = answer(body, number)
            if answered == HANG:
                over.wait(30)
                self.close_connection = True
                return
            if answered == RESET:
                # Zero seconds of lingering send a reset in place of an orderly end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            truncated = answered == TRUNCATED
            status, headers, content = said("4") if truncated else answered  # type: ignore[misc]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if truncated else content)
            self.close_connection = self.close_connection or truncated

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: Any, address: Any) -> None:
            """Say nothing: clients that go away are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    found = Judge(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
        time.sleep(0)
