"""Tables of single messages, one record each, put together to conversations along the ids of their parents.

Belongs here: telling such a table, and which way through a tree of messages is taken. Not here: what a turn says
(``formats``). OpenAssistant (Köpf et al. 2023, arXiv:2304.07327, section 2) publishes its trees in this shape.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasel_assets.formats.turn_lists import ROLE_NAMES
from datasel_assets.raw_rows import RawRow

ROLES = ("role", "from", "speaker")
TEXTS = ("text", "content", "value", "utterance", "message")
IDS = ("message_id", "id")
PARENTS = ("parent_id", "parent_message_id", "parent")
THREADS = ("message_id", "thread_id", "conversation_id", "message_tree_id", *PARENTS)
ENOUGH = 0.5
"""Share of sampled records that must be messages."""

UNDESIRABLE = "marked as undesirable"
UNANSWERED = "unanswered"


@dataclass(frozen=True)
class MessageColumns:
    """Where the parts of a message stand in its record."""

    role: str
    text: str
    id: str
    parent: str


def message_columns(records: Sequence[Mapping[str, Any]]) -> MessageColumns | None:
    """The columns of a table of single messages with parents; None for any other table."""
    names = dict.fromkeys(name for record in records for name in record)
    found = [_first(names, candidates) for candidates in (ROLES, TEXTS, IDS, PARENTS)]
    if None in found:
        return None
    columns = MessageColumns(*found)  # type: ignore[arg-type]
    return columns if sum(_is_message(r, columns) for r in records) >= ENOUGH * len(records) else None


def looks_like_single_messages(records: Sequence[Mapping[str, Any]]) -> str | None:
    """The column that tells that records are messages of conversations and no documents; None where none does."""
    for name in ROLES:
        roles = [record.get(name) for record in records]
        named = sum(isinstance(role, str) and role.strip().lower() in ROLE_NAMES for role in roles)
        if records and named >= ENOUGH * len(records):
            return name
    names = {name for record in records for name in record}
    return next((name for name in THREADS if name in names), None)


def rebuilt(rows: Iterable[RawRow], columns: MessageColumns) -> Iterator[RawRow | None]:
    """Yield, for each record in order, the thread that it ends, its refusal, or None for a record inside of a thread.

    A thread ends with an answer that no other answer follows. Of several answers to one message the one with the best
    (smallest) rank is taken, and all of them where none has a rank; all questions are followed. The fields of the last
    message are those of the thread. Memory: all records, as a parent may stand anywhere.
    """
    table = _Table(list(rows), columns)
    for index, row in enumerate(table.rows):
        if row.record is None or row.reason is not None:
            yield row
        elif index in table.refused:
            yield RawRow(row.position, row.record, table.refused[index])
        elif index in table.ends:
            yield RawRow(row.position, table.thread(index))
        else:
            yield None


class _Table:
    """The messages of a table by index, and what becomes of each."""

    def __init__(self, rows: list[RawRow], columns: MessageColumns) -> None:
        self.rows = rows
        self.columns = columns
        self.refused: dict[int, str] = {}
        self.ends: set[int] = set()
        self.parent: dict[int, int] = {}
        children: dict[int, list[int]] = {}
        roots = self._link(children)
        self._walk(roots, children)

    def thread(self, end: int) -> dict[str, Any]:
        """The conversation from its root to ``end``, with the other fields of ``end``."""
        path = [end]
        while (above := self.parent.get(path[-1])) is not None:
            path.append(above)
        names = self.columns
        used = {names.role, names.text, names.parent}
        rest = {key: value for key, value in self._record(end).items() if key not in used}
        turns = [
            {"role": self._record(i)[names.role], "content": self._record(i).get(names.text)} for i in reversed(path)
        ]
        return {**rest, "messages": turns}

    def _record(self, index: int) -> Mapping[str, Any]:
        return self.rows[index].record or {}

    def _link(self, children: dict[int, list[int]]) -> list[int]:
        """Fill in parents and children; the roots. Messages that belong nowhere are refused."""
        names = self.columns
        by_id: dict[str, int] = {}
        for index, row in enumerate(self.rows):
            if row.record is None or row.reason is not None:
                continue
            if not _is_message(row.record, names):
                self.refused[index] = f"not a message: columns {names.role!r}, {names.text!r} and {names.id!r} must say"
                self.refused[index] += " who says what under which id"
            elif by_id.setdefault(_key(row.record[names.id]), index) != index:
                self.refused[index] = f"repeated id: another record has the same {names.id!r}"
            elif why := _verdict(row.record):
                self.refused[index] = f"{UNDESIRABLE}: {why}"
        roots = []
        for index in by_id.values():
            above = self._record(index).get(names.parent)
            if above is None or above == "" or above == self._record(index)[names.id]:
                roots.append(index)
            elif (parent := by_id.get(_key(above))) is None:
                self.refused[index] = f"broken thread: no record has the id that {names.parent!r} names"
            else:
                self.parent[index] = parent
                children.setdefault(parent, []).append(index)
        return roots

    def _walk(self, roots: list[int], children: Mapping[int, list[int]]) -> None:
        """Find the ends of threads, and refuse what no way leads to."""
        followed: list[int] = []
        waiting = [index for index in reversed(roots) if index not in self.refused]
        while waiting:
            index = waiting.pop()
            followed.append(index)
            waiting += reversed(self._taken([c for c in children.get(index, []) if c not in self.refused]))
        answered: set[int] = set()
        for index in reversed(followed):
            is_answer = self._role(index) == "assistant"
            if is_answer and index not in answered:
                self.ends.add(index)
            if (is_answer or index in answered) and index in self.parent:
                answered.add(self.parent[index])
            elif not is_answer and index not in answered:
                self.refused[index] = f"{UNANSWERED}: no answer follows this message"
        self._refuse_the_rest({*followed})

    def _taken(self, siblings: list[int]) -> list[int]:
        """Children that are followed: all, but of ranked answers the best."""
        ranks = {i: rank for i in siblings if self._role(i) == "assistant" and (rank := self._rank(i)) is not None}
        if not ranks:
            return siblings
        best = min(ranks, key=lambda index: (ranks[index], index))
        for index in siblings:
            if index != best and self._role(index) == "assistant":
                rank = f"rank {ranks[index]:g}" if index in ranks else "no rank"
                self.refused[index] = f"{UNDESIRABLE}: {rank}, and another answer to the same message has a better one"
        return [index for index in siblings if index not in self.refused]

    def _refuse_the_rest(self, followed: set[int]) -> None:
        """Messages that no way from a root leads to: below one that was refused, or in a circle."""
        for index in range(len(self.rows)):
            if index in followed or index in self.refused or self.rows[index].record is None or self.rows[index].reason:
                continue
            seen, above = {index}, index
            while (up := self.parent.get(above)) is not None and up not in self.refused and up not in seen:
                seen.add(up)
                above = up
            reason = self.refused.get(up) if up is not None else None
            circle = f"broken thread: its parents by {self.columns.parent!r} lead back to itself"
            category = reason.split(":", 1)[0] if reason else None
            self.refused[index] = f"{category}: it follows a message that was refused" if category else circle

    def _role(self, index: int) -> str:
        return ROLE_NAMES[self._record(index)[self.columns.role].strip().lower()]

    def _rank(self, index: int) -> float | None:
        rank = self._record(index).get("rank")
        try:
            return None if rank is None or isinstance(rank, bool) or rank == "" else float(rank)
        except (TypeError, ValueError):
            return None


def _verdict(record: Mapping[str, Any]) -> str | None:
    if record.get("deleted") in (True, "true", "True"):
        return "the message was deleted"
    if record.get("review_result") in (False, "false", "False"):
        return "the review of the message failed"
    return None


def _is_message(record: Mapping[str, Any], columns: MessageColumns) -> bool:
    role = record.get(columns.role)
    named = isinstance(role, str) and role.strip().lower() in ROLE_NAMES
    return named and isinstance(record.get(columns.text), str) and record.get(columns.id) not in (None, "")


def _key(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _first(names: Mapping[str, None], candidates: Sequence[str]) -> str | None:
    return next((name for name in candidates if name in names), None)
