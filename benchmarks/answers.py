"""What asking adds to bare httpx, and how fast kept replies are found again.

The bars: at 16 requests at a time at most 1.2 times the wall time of httpx that sends the same bodies and does nothing
else; 10,000 kept replies in under 2 s. The server is another process on the loopback interface that takes 20 ms for
a reply, which is a fast model.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, isolated, report
from datasel_assets.answers.asks import ask_of
from datasel_assets.answers.prompts import AskedRow, asked_row
from datasel_assets.answers.requests import Item, Request, request_of
from datasel_assets.models.asking import ask_all
from datasel_assets.models.endpoint import Endpoint
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.storage.replies import KeptReplies

CONCURRENCY = 16
LATENCY = 0.02
REPLY = json.dumps(
    {
        "choices": [{"message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 2},
    }
).encode()


def main(argv: Sequence[str] | None = None) -> int:
    """Ask ``n`` rows both ways, in turn, and read 10,000 kept replies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--kept", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help="only be the server, and print its port")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.serve:
        asyncio.run(_serve())
        return 0
    command = [sys.executable, "-m", "benchmarks.answers", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            found: dict[str, list[dict[str, Any]]] = {"bare httpx": [], "datasel": []}
            for _ in range(arguments.repeat):
                found["bare httpx"].append(isolated("benchmarks.answers:bare", url=url, n=arguments.n))
                found["datasel"].append(isolated("benchmarks.answers:asked", url=url, n=arguments.n))
        finally:
            server.terminate()
    best = {name: min(runs, key=lambda run: run["cost"]["wall_s"]) for name, runs in found.items()}
    rows = [
        Row(
            name,
            arguments.n,
            _measured(run["cost"]),
            run["cost"]["wall_s"] / best["bare httpx"]["cost"]["wall_s"],
            {"requests_per_s": arguments.n / run["cost"]["wall_s"], "concurrency": CONCURRENCY, "latency_s": LATENCY},
        )
        for name, run in best.items()
    ]
    resumed = isolated("benchmarks.answers:resumed", n=arguments.kept)
    rows.append(Row("datasel: kept replies found again", arguments.kept, _measured(resumed["cost"]), None, {}))
    report("answers", rows, record=not arguments.no_record)
    return 0


def bare(url: str, n: int) -> dict[str, Any]:
    """Send the bodies with httpx alone and read the replies as JSON."""
    import httpx

    from benchmarks.harness import measured

    spec, rows = _spec(url), _rows(n)
    endpoint = Endpoint(spec.provider)  # type: ignore[arg-type]
    bodies = [endpoint._payload(request) for request in _requests(spec, rows)]

    async def send() -> None:
        waiting = iter(bodies)
        limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:

            async def work() -> None:
                for body in waiting:
                    answer = await client.post(f"{url}/chat/completions", json=body)
                    assert answer.json()["choices"][0]["message"]["content"] == "4"

            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))

    with measured() as cost:
        asyncio.run(send())
    return {"cost": vars(cost)}


def asked(url: str, n: int) -> dict[str, Any]:
    """Write the prompts, ask, read the replies and keep them."""
    from benchmarks.harness import measured

    spec, rows = _spec(url), _rows(n)
    with tempfile.TemporaryDirectory() as folder, measured() as cost, KeptReplies(Path(folder)) as kept:
        found = _ask(spec, rows, kept)
    assert len(found) == n
    return {"cost": vars(cost)}


def resumed(n: int) -> dict[str, Any]:
    """Find kept replies again: read the files, write the prompts, look the keys up, read the replies."""
    from benchmarks.harness import measured
    from datasel_assets.answers.replies import Reply

    spec, rows = _spec("http://127.0.0.1:9/v1"), _rows(n)
    with tempfile.TemporaryDirectory() as folder:
        with KeptReplies(Path(folder)) as kept:
            for request in _requests(spec, rows):
                kept.add(request.key, request.chars, Reply("4", None, 200, 2, 0.02))
        with measured() as cost, KeptReplies(Path(folder)) as kept:
            found = _ask(spec, rows, kept)
    assert len(found) == n
    return {"cost": vars(cost)}


def _ask(spec: AnswersSpec, rows: dict[str, AskedRow], kept: KeptReplies) -> list[float]:
    requests = _requests(spec, rows)
    found = ask_all(requests, spec, ask_of(spec.ask), kept, lambda: Endpoint(spec.provider))  # type: ignore[arg-type]
    return [answer.read.numbers["score"] for answer in found.answers.values()]


def _requests(spec: AnswersSpec, rows: dict[str, AskedRow]) -> "list[Request] | Any":
    ask = ask_of(spec.ask)
    return (request_of(spec, ask, Item(row), rows, {"model": "m"}) for row in rows)


def _spec(url: str) -> AnswersSpec:
    provider = {"endpoint": url, "model": "m", "concurrency": CONCURRENCY}
    return AnswersSpec.model_validate({"ask": "alpagasus", "provider": provider})


def _rows(n: int) -> dict[str, AskedRow]:
    said = [("user", "What does row {i} say, and why? " * 5), ("assistant", "It says what it says, number {i}. " * 15)]
    return {
        f"row{i:06}": asked_row([{"role": role, "content": text.format(i=i)} for role, text in said]) for i in range(n)
    }


def _measured(cost: dict[str, float]) -> Any:
    from benchmarks.harness import Measured

    return Measured(**cost)


async def _serve() -> None:
    """Answer every request with the same reply after the latency."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(REPLY)}\r\n\r\n".encode()
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                lines = request.lower().split(b"\r\n")
                length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
                await reader.readexactly(length)
                await asyncio.sleep(LATENCY)
                writer.write(head + REPLY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
