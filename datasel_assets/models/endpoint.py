"""A language model behind an address: the only module that talks to one.

Belongs here: the protocol of OpenAI over HTTP, waits and tries, limits of pace and size. Does not: what is asked
(``answers``), what it may cost (``asking``), keeping replies.

The key is read from the environment when the first request is sent, stands in one header and nowhere else; what a
server says is shown without it.
"""

import asyncio
import json
import math
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Request
from datasel_assets.models.providers import ProviderError
from datasel_assets.specs.answers import EndpointSpec

if TYPE_CHECKING:
    import httpx

HOPELESS = {
    301: "it sends requests elsewhere; write the address that it names",
    302: "it sends requests elsewhere; write the address that it names",
    307: "it sends requests elsewhere; write the address that it names",
    308: "it sends requests elsewhere; write the address that it names",
    401: "it does not accept the key",
    402: "there is no money left on the account",
    403: "the key may not use this model",
    404: "there is no such address or no such model",
    405: "it does not speak the protocol of OpenAI at this address",
}
"""Status -> what it means, where no other request can fare better."""
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Statuses after which the same request may succeed."""
REFUSED = frozenset({400, 413, 422})
"""Statuses by which servers refuse a request that is too long, among others."""
LONGEST_WAIT = 300.0
"""Seconds; a server that asks for more is asked again all the same."""
SAID_CHARS = 200
TOP = 20
"""Likeliest first tokens that are asked for; servers give no more."""


class Endpoint:
    """Asks one model behind an address."""

    def __init__(self, spec: EndpointSpec, *, wait: float = 1.0) -> None:
        """Look up the key.

        Args:
            spec: address, model and limits.
            wait: seconds before the second try, twice as many before each further one.

        Raises:
            ProviderError: the environment variable with the key is not set.
        """
        self.spec = spec
        self._wait = wait
        self._key = os.environ.get(spec.key_env, "") if spec.key_env else ""
        if spec.key_env and not self._key.strip():
            raise ProviderError(
                f"the environment variable {spec.key_env} is not set: it must hold the key of the model"
            )
        self._jitter = random.Random(0)
        self._not_before = 0.0
        self._next_turn = 0.0
        self._lost = 0
        self._answered = False

    def ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        """Answer requests, several at a time; see :class:`datasel_assets.models.providers.Provider`."""
        try:
            asyncio.run(self._ask(requests, told))
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        import httpx

        waiting, again = iter(requests), deque[Request]()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=self.spec.concurrency, max_keepalive_connections=self.spec.concurrency)
        timeout = httpx.Timeout(self.spec.timeout, connect=min(self.spec.timeout, 30.0))
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout) as client:

            async def work() -> None:
                while True:
                    request = again.popleft() if again else next(waiting, None)
                    if request is None:
                        return
                    again.extend(told(request, await self._reply(client, request)))

            async with asyncio.TaskGroup() as group:
                for _ in range(self.spec.concurrency):
                    group.create_task(work())

    async def _reply(self, client: "httpx.AsyncClient", request: Request) -> Reply:
        """Send a request until it is answered or its tries are used up."""
        import httpx

        failed = ""
        for tried in range(1, self.spec.tries + 1):
            await self._turn(request)
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self.spec.timeout):
                    status, asked_wait, body = await self._send(client, request)
            except _TooLongError as error:
                return self._failure(str(error), tried, too_much=True)
            except TimeoutError:
                failed = f"no whole reply within {self.spec.timeout:g} s"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failed = self._clean(f"{type(error).__name__}: {error}")
            else:
                if status == 200:
                    reply = _read(body, request, time.perf_counter() - started, tried)
                    if reply is not None:
                        self._lost, self._answered = 0, True
                        return reply
                    failed = f"the body is no answer: {self._said(body)}"
                elif status in HOPELESS:
                    raise ProviderError(f"{self._where} answers {status}: {HOPELESS[status]} ({self._said(body)})")
                else:
                    failed = f"status {status}: {self._said(body)}"
                    if status not in PASSING:
                        self._lost, self._answered = 0, True  # it answers, but not this request
                        return Reply("", tries=tried, failed=failed, too_much=status in REFUSED)
                if asked_wait is not None:
                    # Everybody waits: the server has asked us, not this request.
                    self._not_before = max(self._not_before, time.monotonic() + min(asked_wait, LONGEST_WAIT))
            if tried < self.spec.tries:
                wait = min(self._wait * 2 ** (tried - 1), LONGEST_WAIT)
                await asyncio.sleep(wait * (0.5 + self._jitter.random() / 2))
        return self._failure(failed, self.spec.tries)

    def _failure(self, failed: str, tried: int, *, too_much: bool = False) -> Reply:
        """Return a reply that failed, unless so many have that nothing can be expected of the server.

        Raises:
            ProviderError: as many in a row as are under way together, and none was answered.
        """
        self._lost += 1
        if self._lost >= max(self.spec.concurrency, 4) * (8 if self._answered else 1):
            raise ProviderError(
                f"{self._where} does not answer: {self._lost} requests in a row failed, the last: {failed}"
            )
        return Reply("", tries=tried, failed=failed, too_much=too_much)

    async def _send(self, client: "httpx.AsyncClient", request: Request) -> tuple[int, float | None, bytes]:
        """Return status, seconds that the server asks to wait, and body.

        Raises:
            _TooLongError: the body is longer than is read.
        """
        path = "chat/completions" if self.spec.api == "chat" else "completions"
        body = bytearray()
        async with client.stream("POST", f"{self.spec.endpoint}/{path}", json=self._payload(request)) as response:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > self.spec.reply_bytes:
                    raise _TooLongError(f"the reply is longer than {self.spec.reply_bytes:,} bytes")
            return response.status_code, _asked_wait(response.headers.get("retry-after")), bytes(body)

    def _payload(self, request: Request) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "model": self.spec.model,
            "max_tokens": 1 if request.options else request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if self.spec.api == "chat":
            payload["messages"] = [dict(message) for message in request.messages]
            if request.options:
                payload |= {"logprobs": True, "top_logprobs": TOP}
            if request.schema is not None:
                form = {"name": "reply", "schema": dict(request.schema)}
                payload["response_format"] = {"type": "json_schema", "json_schema": form}
        else:
            payload["prompt"] = "\n\n".join(message["content"] for message in request.messages) + "\n\nAnswer:"
            if request.options:
                payload["logprobs"] = TOP
        return payload

    async def _turn(self, request: Request) -> None:
        """Wait until this request may be sent."""
        now = time.monotonic()
        apart = 60.0 / self.spec.requests_per_minute if self.spec.requests_per_minute else 0.0
        if self.spec.tokens_per_minute:
            tokens = request.tokens() + request.max_tokens
            apart = max(apart, 60.0 * tokens / self.spec.tokens_per_minute)
        at = max(now, self._next_turn)
        self._next_turn = at + apart
        while (left := max(at, self._not_before) - time.monotonic()) > 0:
            await asyncio.sleep(left)

    @property
    def _where(self) -> str:
        return f"{self.spec.model} at {self.spec.endpoint}"

    def _said(self, body: bytes) -> str:
        return self._clean(body[: 4 * SAID_CHARS].decode("utf-8", "replace")) or "nothing"

    def _clean(self, text: str) -> str:
        """Return a line of what a server said, without the key: servers repeat one that they do not know."""
        if self._key:
            text = text.replace(self._key, "***")
            # A server may show the two ends of a key, or break it off.
            for size in range(len(self._key) - 1, 7, -1):
                text = text.replace(self._key[:size], "***").replace(self._key[-size:], "***")
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SAID_CHARS]


class _TooLongError(ValueError):
    """More bytes than are read."""


def _first(group: BaseExceptionGroup) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _asked_wait(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number, or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _read(body: bytes, request: Request, latency: float, tried: int) -> Reply | None:
    """Return the reply of a body, None where it is no answer."""
    try:
        document = json.loads(body)
        choice = document["choices"][0]
        text = _text(choice["message"]["content"] if "message" in choice else choice["text"])
        usage = document.get("usage") or {}
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        return Reply(
            text,
            logprobs=_first_logprobs(choice.get("logprobs")) if request.options else None,
            tokens_in=request.tokens() if tokens_in is None else int(tokens_in),
            tokens_out=len(text) // 4 + 1 if tokens_out is None else int(tokens_out),
            latency=round(latency, 4),
            tries=tried,
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _first_logprobs(given: Any) -> Mapping[str, float] | None:
    """Return token -> logarithm of its probability at the first place, of either form of the protocol."""
    if not given:
        return None
    if given.get("content"):
        first = given["content"][0]
        found = [*first.get("top_logprobs", ()), first]
        pairs = [(one["token"], float(one["logprob"])) for one in found]
    elif given.get("top_logprobs"):
        pairs = [(token, float(value)) for token, value in given["top_logprobs"][0].items()]
    else:
        return None
    return {token: value for token, value in pairs if math.isfinite(value)}
