"""How many conversations a source has, told without ingesting it.

Belongs here: rows and tokens of what was ingested, and an estimate of what was not, from some of its rows. Does not
belong here: reading files (``storage.readers``), what the rows cost (``datasel_assets.costs``).
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl
import pyarrow.parquet as pq

from datasel_assets.corpus import ingest
from datasel_assets.costs.step_cost import READ_TOKENS
from datasel_assets.raw_rows import RawRow
from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import Snapshot, read_rows
from datasel_assets.storage.readers.resolve import FileEntry, Part
from datasel_assets.storage.readers.streams import COMPRESSED
from datasel_assets.tables.corpus.conversations import CORPUS, token_counter
from datasel_assets.tables.warehouse import Warehouse

READ_ROWS = 20_000
"""Rows of a file that are read at most; of a longer one it is told from its size how many there are."""

SAMPLE_ROWS = 400
"""Rows that are turned into conversations, evenly spread over those that are read."""


@dataclass(frozen=True)
class SourceSize:
    """How large a source is.

    Attributes:
        rows: conversations.
        tokens: of these.
        encoded: of each conversation the first, as many as an encoder reads.
    """

    rows: int
    tokens: int
    encoded: int


def ingested_size(warehouse: Warehouse, source: str) -> SourceSize | None:
    """Return the size of the corpus of a source as it is; None where there is none."""
    if warehouse.lake.info((CORPUS.name, source)) is None:
        return None
    lengths = warehouse.lake.scan((CORPUS.name, source)).select("n_tokens").collect()["n_tokens"]
    return SourceSize(len(lengths), *_tokens(lengths))


def sampled_size(name: str, spec: SourceSpec, found: Snapshot) -> SourceSize:
    """Estimate the size of a source from some of its rows.

    Generated rows are all made, and so are those of small files; of a large file the first :data:`READ_ROWS` are read
    and taken for the rest.

    Raises:
        SourceError: a file cannot be read.
        FormatError: no schema fits the rows.
    """
    total, kept = 0.0, _EverySoManyth()
    for part in found.parts:
        alone = Snapshot((part,), found.fingerprint)
        rows = list(islice(kept.noting(read_rows(alone, spec)), READ_ROWS)) if isinstance(part, FileEntry) else None
        if rows is None:
            total += sum(1 for _ in kept.noting(read_rows(alone, spec)))
        else:
            total += len(rows) if len(rows) < READ_ROWS else max(len(rows), _rows_of_file(part, rows))
    if not kept.rows:
        return SourceSize(0, 0, 0)
    batches = ingest(kept.rows, source=name, count_tokens=token_counter().count, **spec.ingest_options())
    lengths = pl.concat([pl.Series(batch.corpus["n_tokens"]) for batch in batches])
    share = total / len(kept.rows)
    tokens, encoded = _tokens(lengths)
    return SourceSize(round(len(lengths) * share), round(tokens * share), round(encoded * share))


def _tokens(lengths: pl.Series) -> tuple[int, int]:
    """Return tokens of conversations: all, and those that an encoder reads."""
    return int(lengths.sum() or 0), int(lengths.clip(upper_bound=READ_TOKENS).sum() or 0)


class _EverySoManyth:
    """Keeps every so-manyth of the rows that pass, between one and two times :data:`SAMPLE_ROWS` of them."""

    def __init__(self) -> None:
        self.rows: list[RawRow] = []
        self._seen, self._step = 0, 1

    def noting(self, rows: Iterable[RawRow]) -> Iterator[RawRow]:
        for row in rows:
            if self._seen % self._step == 0:
                self.rows.append(row)
                if len(self.rows) >= 2 * SAMPLE_ROWS:
                    self.rows, self._step = self.rows[::2], self._step * 2
            self._seen += 1
            yield row


def _rows_of_file(part: Part, rows: list[RawRow]) -> float:
    """Return how many rows a file has, of which the first were read: by its footer, else by its size."""
    assert isinstance(part, FileEntry)
    suffixes = [suffix.lower() for suffix in part.path.suffixes]
    compressed = bool(set(suffixes) & set(COMPRESSED))
    if ".parquet" in suffixes and not compressed:
        return pq.read_metadata(part.path).num_rows
    text = "\n".join(json.dumps(row.record, ensure_ascii=False, default=str) for row in rows).encode()
    size = len(zlib.compress(text)) if compressed else len(text)
    return part.bytes / max(1.0, size / len(rows))
