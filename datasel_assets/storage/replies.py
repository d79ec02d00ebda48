"""Replies that were paid for, each kept the moment it arrives: lines of JSON that are only ever appended.

Belongs here: writing and finding them by key. Does not: what decides a key (``answers.requests``), asking (``models``).

Every process writes a file of its own, so that a killed one can spoil nothing but its own last line, which is skipped.
Nothing here is ever deleted: a later run, another way to read replies or another price need no new reply.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from datasel_assets.answers.replies import Reply
from datasel_assets.storage.atomic import storage_errors

SYNC_SECONDS = 2.0
"""Replies of so many seconds are lost in a power cut; a killed process loses none."""


@dataclass(frozen=True)
class Spent:
    """What has been paid for under one name.

    Attributes:
        replies: how many.
        tokens_in: of their prompts.
        tokens_out: of the replies.
        chars: of their prompts, as far as these are known.
        seconds: that they took, one after the other.
    """

    replies: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    chars: int = 0
    seconds: float = 0.0

    def plus(self, reply: Reply, chars: int) -> "Spent":
        """Return this and one reply more."""
        return Spent(
            self.replies + 1,
            self.tokens_in + reply.tokens_in,
            self.tokens_out + reply.tokens_out,
            self.chars + chars,
            self.seconds + reply.latency,
        )


class KeptReplies:
    """The replies that one file of ``answers/`` has got.

    Use it in a ``with`` block, at whose end everything is on the disk.
    """

    def __init__(self, folder: Path, given: Iterable[tuple[str, int, Reply]] = ()) -> None:
        """Read what is there.

        Args:
            folder: of the replies; it need not exist.
            given: further replies, which are there but not in the folder: key and length of the request, reply.
        """
        self._folder = folder
        self._found: dict[str, Reply] = {}
        self._of_member: dict[str, list[tuple[Reply, int, int]]] = {}
        self._out: IO[str] | None = None
        self._synced = time.monotonic()
        self.spent = Spent()
        for key, chars, members, reply in _stored(folder):
            # A key that is there twice was paid for twice: two processes asked at the same time.
            self._note(key, chars, members, reply)
        for key, chars, reply in given:
            self._note(key, chars, (), reply)

    def __enter__(self) -> "KeptReplies":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._out is not None:
            self._sync()
            self._out.close()
            self._out = None

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str) -> Reply | None:
        """Return the reply that is kept under a key."""
        return self._found.get(key)

    def of_member(self, key: str) -> Sequence[tuple[Reply, int, int]]:
        """Return the replies to batches with a member, in the order in which they came: reply, place, members."""
        return self._of_member.get(key, ())

    def add(self, key: str, chars: int, reply: Reply, members: Sequence[str] = ()) -> None:
        """Keep a reply.

        Args:
            key: of its request.
            chars: length of the request.
            reply: that did not fail.
            members: keys of the questions of the request, where it is a batch.

        Raises:
            StorageFullError: there is no space for it.
        """
        line = {"key": key, "chars": chars, **({"members": list(members)} if members else {}), **vars(reply)}
        del line["failed"], line["too_much"]
        with storage_errors(self._folder):
            if self._out is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
                self._out = (self._folder / name).open("x", encoding="ascii")
            self._out.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._out.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()
        self._note(key, chars, members, reply)

    def _note(self, key: str, chars: int, members: Sequence[str], reply: Reply) -> None:
        self.spent = self.spent.plus(reply, chars)
        self._found.setdefault(key, reply)
        for place, member in enumerate(members):
            self._of_member.setdefault(member, []).append((reply, place, len(members)))

    def _sync(self) -> None:
        assert self._out is not None
        os.fsync(self._out.fileno())
        self._synced = time.monotonic()


def _stored(folder: Path) -> Iterator[tuple[str, int, list[str], Reply]]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                try:
                    values = json.loads(line)
                    key, chars, members = values.pop("key"), values.pop("chars"), values.pop("members", [])
                    reply = Reply(**values)
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue  # the last line of a process that was killed
                yield key, chars, members, reply
