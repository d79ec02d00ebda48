"""Replies that came from elsewhere, held against the rows of the pool: whose they are, and under which keys they count.

Belongs here: the files that ``provider.stored`` names. Does not: their lines (``storage.stored_replies``), what is
asked (``questions``).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Request
from datasel_assets.specs.answers import StoredSpec
from datasel_assets.storage.readers.patterns import local_files
from datasel_assets.storage.stored_replies import Place, read_stored
from datasel_assets.tables.warehouse import Warehouse


class Stored:
    """The replies of one file of ``answers/``. As a provider it says of each request that no line is about it."""

    def __init__(self, spec: StoredSpec, warehouse: Warehouse) -> None:
        """Find the files; none is read yet."""
        self._pattern, self._warehouse = spec.stored, warehouse
        self._files = local_files(spec.stored, warehouse.settings.data)

    @property
    def version(self) -> str:
        """What tells the replies from others; ``missing`` where there is no file, which reading them then says."""
        contents = [hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() for path in self._files]
        return " ".join(contents) or "missing"

    @cached_property
    def replies(self) -> dict[str, dict[Place, Reply]]:
        """Row id -> what of the row -> its reply: of every copy of a row, and of several about one thing the last.

        Raises:
            SourceError: there is no file, or a line is no reply.
        """
        lines = read_stored(self._pattern, [(self._shown(path), path) for path in self._files])
        found: dict[str, dict[Place, Reply]] = {}
        for line in lines:
            found.setdefault(line.row, {})[line.place] = line.reply
        rows = self._pool.filter(pl.any_horizontal(pl.col("row_id", "content_hash").is_in(list(found))))
        return {row: found.get(content, {}) | found.get(row, {}) for row, content in rows.iter_rows()}

    @property
    def without_a_row(self) -> int:
        """Lines about rows that are not in the pool."""
        named = {name for column in self._pool.columns for name in self._pool[column]}
        lines = read_stored(self._pattern, [(self._shown(path), path) for path in self._files])
        return sum(line.row not in named for line in lines)

    def kept(self, requests: Iterable[Request]) -> Iterator[tuple[str, int, Reply]]:
        """Yield key, length and reply of those requests that a line is about."""
        for request in requests:
            reply = self.replies.get(request.item.row_id, {}).get(_place(request))
            if reply is not None:
                yield request.key, request.chars, reply

    def ask(self, requests: Iterable[Request], told: Callable[[Request, Reply], Sequence[Request]]) -> None:
        """Answer requests; see :class:`datasel_assets.models.providers.Provider`."""
        for request in requests:
            told(request, Reply("", failed=f"{self._pattern} has no reply about it"))

    @cached_property
    def _pool(self) -> pl.DataFrame:
        lake = self._warehouse.lake
        columns = ("row_id", "content_hash")
        frames = [lake.scan(("corpus", source)).select(columns) for source in self._warehouse.active_sources()]
        return pl.concat([pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), *pl.collect_all(frames)])

    def _shown(self, path: Path) -> str:
        data = self._warehouse.settings.data
        return path.relative_to(data).as_posix() if path.is_relative_to(data) else str(path)


def _place(request: Request) -> Place:
    item = request.item
    return item.turn, item.step, item.question, item.sample
