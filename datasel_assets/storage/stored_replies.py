"""Files of replies that came from elsewhere: JSON Lines, each about an item of a row.

Belongs here: reading them, with what is wrong with a line. Does not: whose row it is (``tables.answers.stored``),
replies that were asked for here (``replies``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasel_assets.answers.replies import Reply
from datasel_assets.raw_rows import SourceError

Place = tuple[int | None, int | None, str | None, int]
"""Turn, step, question and sample: what of a row a reply is about."""
KEYS = {
    "row_id": str,
    "content_hash": str,
    "reply": str,
    "turn": int,
    "step": int,
    "question": str,
    "sample": int,
    "logprobs": dict,
    "tokens_in": int,
    "tokens_out": int,
    "seconds": (int, float),
}


@dataclass(frozen=True)
class StoredReply:
    """One line.

    Attributes:
        row: the id of the row or, where the line names none, the hash of its content.
        place: what of the row it is about.
        reply: what came.
    """

    row: str
    place: Place
    reply: Reply


def read_stored(pattern: str, files: Sequence[tuple[str, Path]]) -> list[StoredReply]:
    """Return the replies of files, in their order.

    Args:
        pattern: that the files were found by, for messages.
        files: name for messages, and path.

    Raises:
        SourceError: there is no file, one cannot be read, or a line is no reply; the message names file and line.
    """
    if not files:
        raise SourceError(f"provider.stored: there is no file {pattern} in the data folder")
    found = []
    for name, path in files:
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{name}: {error}") from error
        found += [_reply(line, f"{name}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return found


def _reply(line: str, where: str) -> StoredReply:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise SourceError(f"{where}: a line is an object with 'reply' and 'row_id' or 'content_hash'")
    told = {key: value for key, value in values.items() if value is not None}
    for key, value in told.items():
        if key not in KEYS:
            raise SourceError(f"{where}: {key!r} is not known; there are: {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise SourceError(f"{where}: {key} is {value!r:.40}")
    row = told.get("row_id") or told.get("content_hash")
    if "reply" not in told or not row:
        raise SourceError(f"{where}: it lacks {'row_id or content_hash' if 'reply' in told else 'reply'}")
    place = (told.get("turn"), told.get("step"), told.get("question"), told.get("sample", 0))
    counted = {key: told.get(key, 0) for key in ("tokens_in", "tokens_out")}
    reply = Reply(told["reply"], _logprobs(told, where), **counted, latency=float(told.get("seconds", 0)))
    return StoredReply(row, place, reply)


def _logprobs(told: Mapping[str, Any], where: str) -> dict[str, float] | None:
    if "logprobs" not in told:
        return None
    if not all(isinstance(value, int | float) and value <= 0 for value in told["logprobs"].values()):
        raise SourceError(f"{where}: logprobs are a word each with the logarithm of its probability")
    return {word: float(value) for word, value in told["logprobs"].items()}
