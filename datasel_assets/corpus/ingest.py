"""From raw records to corpus and quarantine tables, as a stream of batches.

Belongs here: the order of the steps and the accounting (every record that comes in goes out on one side). Not here:
reading files (storage), what a schema means (``formats``), counting tokens (models; passed in as a function).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa

from datasel_assets.corpus.columns import RecordColumns, add_counts, held_names, known_names
from datasel_assets.corpus.detect import Detection, detect_format
from datasel_assets.corpus.identity import content_hash, row_id
from datasel_assets.corpus.ordinals import Ordinals
from datasel_assets.corpus.shown import as_json, shown, to_utf8
from datasel_assets.corpus.tables import CORPUS_SCHEMA, QUARANTINE_SCHEMA, messages_array
from datasel_assets.corpus.threads import UNANSWERED, UNDESIRABLE, message_columns, rebuilt
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import Conversation, RowError, checked
from datasel_assets.raw_rows import RAW_CHARS, RawRow

SAMPLE_ROWS = 200
"""Readable records that detection looks at."""

BATCH_CHARS = 64_000_000
"""A batch also ends here, so that a few huge rows cannot overflow Arrow's 2 GiB string columns."""

SET_ASIDE = {UNDESIRABLE, UNANSWERED, "marked as not to be trained on"}
"""Categories of rows that the data itself sets aside; they were read well and say nothing against the source."""

CountTokens = Callable[[list[str]], list[int]]


@dataclass(frozen=True)
class IngestBatch:
    """Tables with the columns of CORPUS_SCHEMA and QUARANTINE_SCHEMA; either may be empty."""

    corpus: pa.RecordBatch
    quarantine: pa.RecordBatch


@dataclass
class IngestSummary:
    """Running totals of one ingest; final once the batches are exhausted.

    Attributes:
        rows_in: records read; each is kept, quarantined or joined.
        kept: rows of the corpus.
        quarantined: refused records.
        joined: single messages that became part of the row of another record.
        reasons: category of refusal (the reason up to its colon) -> records.
        unmapped: column -> kept rows in which it holds something that no part of the conversation was taken from;
            keys of turns are named ``turn.<key>``.
        detection: the schema; None where no record was readable.
    """

    rows_in: int = 0
    kept: int = 0
    quarantined: int = 0
    joined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    detection: Detection | None = None

    @property
    def unusable(self) -> int:
        """Quarantined rows but for those that the data itself sets aside, as bad answers are."""
        return self.quarantined - sum(self.reasons[category] for category in SET_ASIDE)

    @property
    def quarantined_share(self) -> float:
        """Unusable rows over rows in; 0 for an empty source."""
        return self.unusable / self.rows_in if self.rows_in else 0.0

    @property
    def known_unmapped(self) -> dict[str, int]:
        """Unmapped columns that go by a name which usually means something to a trainer, the commonest first."""
        known = known_names(self.detection.format) if self.detection else set()
        if self.joined:
            known.discard("rank")  # it has said which answers were taken
        found = {name: n for name, n in self.unmapped.items() if name.lower().removeprefix("turn.") in known}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def top_reasons(self, k: int = 10) -> list[tuple[str, int]]:
        """The ``k`` commonest categories of refusal (the reason up to its colon), ties by name."""
        return sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))[:k]


class Ingest(Iterable[IngestBatch]):
    """Batches of one source, to be iterated once; ``summary`` counts along."""

    def __init__(self, batches: Iterator[IngestBatch], summary: IngestSummary) -> None:
        self._batches = batches
        self.summary = summary

    def __iter__(self) -> Iterator[IngestBatch]:
        return self._batches


def ingest(
    rows: Iterable[RawRow],
    *,
    source: str,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    max_turns: int = 2_000,
    strip_suffix: str | None = None,
    count_tokens: CountTokens | None = None,
    batch_rows: int = 5_000,
) -> Ingest:
    """Turn raw records into conversations with ids, or into quarantined rows with reasons.

    Memory: one batch of rows, plus about 30 bytes per distinct content for the ordinals; all records of a table of
    single messages.

    Args:
        rows: Raw rows in the order of the source.
        source: Slug of the source; part of every row id.
        format: ``auto`` or a key of FORMATS.
        columns: field -> column, where detection cannot know.
        max_turns: Most messages of one row.
        strip_suffix: Literal cut from the end of assistant messages.
        count_tokens: Texts -> token counts without special tokens; without it the token columns are null.
        batch_rows: Rows in per batch.

    Returns:
        An iterable of batches with a live ``summary``. Corpus rows are in the order of the source.

    Raises:
        FormatError: while iterating, when ``auto`` fits no schema.
    """
    summary = IngestSummary()
    options = _Options(source, max_turns, strip_suffix, count_tokens)
    return Ingest(_batches(iter(rows), summary, options, format, dict(columns or {}), batch_rows), summary)


@dataclass(frozen=True)
class _Options:
    source: str
    max_turns: int
    strip_suffix: str | None
    count_tokens: CountTokens | None


def _batches(
    rows: Iterator[RawRow],
    summary: IngestSummary,
    options: _Options,
    format: str,
    columns: dict[str, str],
    batch_rows: int,
) -> Iterator[IngestBatch]:
    head: list[RawRow | None] = list(islice(rows, SAMPLE_ROWS))
    if format in ("auto", "messages") and not columns and (messages := message_columns(_records(head))):
        head = list(rebuilt(chain((row for row in head if row is not None), rows), messages))
    reader = None
    if sample := _records(head)[:SAMPLE_ROWS]:
        summary.detection = detect_format(sample, format, columns)
    ordinals = Ordinals()
    batch = _Batch(options)
    for row in chain(head, rows):
        summary.rows_in += 1
        if row is None:
            summary.joined += 1
            continue
        if summary.detection is None and (sample := _records([row])):  # nothing before it was readable
            summary.detection = detect_format(sample, format, columns)
        if reader is None and summary.detection is not None:
            reader = _Reader(summary.detection, columns, options)
        if (reason := batch.add(row, reader, ordinals)) is None:
            summary.kept += 1
        else:
            summary.quarantined += 1
            summary.reasons[reason.split(":", 1)[0]] += 1
        if batch.rows >= batch_rows or batch.chars >= BATCH_CHARS:
            yield batch.finish(summary)
            batch = _Batch(options)
    if batch.rows:
        yield batch.finish(summary)


def _records(rows: Iterable[RawRow | None]) -> list[dict[str, Any]]:
    """Readable records among the rows."""
    return [row.record for row in rows if row is not None and row.record is not None and row.reason is None]


class _Reader:
    """From a record of one source to its conversation."""

    def __init__(self, detection: Detection, given: Mapping[str, str], options: _Options) -> None:
        self._convert = FORMATS[detection.format].convert
        self._columns = RecordColumns(detection, given)
        self._options = options

    def read(self, record: Mapping[str, Any]) -> Conversation:
        """The conversation of a record.

        Raises:
            RowError: it cannot become one.
        """
        conversation = self._convert(record, self._columns.of(record))
        return checked(conversation, self._options.max_turns, self._options.strip_suffix)


class _Batch:
    """Column lists of the rows between two yields."""

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.rows = 0
        self.chars = 0
        self.kept: list[tuple[int, str, str, str]] = []  # position, row id, content hash, extra
        self.conversations: list[Conversation] = []
        self.unmapped: list[str] = []  # names of fields, once for each row
        self.prompts: list[str] = []
        self.responses: list[str] = []
        self.refused: list[tuple[int, str, str]] = []  # position, raw, reason

    def add(self, row: RawRow, reader: _Reader | None, ordinals: Ordinals) -> str | None:
        """Put the row on one of the two sides; the reason when it was refused."""
        self.rows += 1
        reason = row.reason or "unreadable: the reader gave no reason"
        if row.record is not None and row.reason is None and reader is not None:
            try:
                conversation = reader.read(row.record)
                extra = as_json(conversation.extra)
                self._keep(row.position, conversation, extra, ordinals)
                if conversation.extra:
                    self.unmapped += held_names(conversation.extra)
                return None
            except RowError as error:
                reason = str(error)
            except RecursionError:
                reason = "nested too deeply: the record cannot be walked through"
            except Exception as error:  # one odd record must not cost the source
                reason = f"unexpected {type(error).__name__}: {error!s:.200}"
        raw = row.raw if row.raw is not None else shown(row.record)
        self.chars += len(raw := raw[:RAW_CHARS])
        self.refused.append((row.position, raw, to_utf8(reason)))
        return reason

    def _keep(self, position: int, conversation: Conversation, extra: str, ordinals: Ordinals) -> None:
        messages, final = conversation.messages, conversation.final
        content = content_hash(messages, conversation.tools, conversation.untrained, conversation.images)
        self.kept.append((position, row_id(self.options.source, content, ordinals.next(content)), content, extra))
        self.conversations.append(conversation)
        self.prompts.append("\n\n".join(text for _, text in messages[:final]))
        self.responses.append(messages[final][1])
        self.chars += 2 * sum(len(text) for _, text in messages) + len(extra) + len(conversation.tools or "")

    def finish(self, summary: IngestSummary) -> IngestBatch:
        """The rows as Arrow tables; what was unmapped is added to the summary."""
        add_counts(summary.unmapped, self.unmapped)
        tokens, response_tokens = self._tokens()
        positions, ids, contents, extras = zip(*self.kept, strict=True) if self.kept else ([], [], [], [])
        columns = {
            "row_id": ids,
            "source": [self.options.source] * len(self.kept),
            "position": positions,
            "messages": messages_array([c.messages for c in self.conversations]),
            "n_turns": [len(c.messages) for c in self.conversations],
            "prompt": self.prompts,
            "response": self.responses,
            "n_chars": [sum(len(text) for _, text in c.messages) for c in self.conversations],
            "n_tokens": tokens,
            "n_response_tokens": response_tokens,
            "content_hash": contents,
            "extra": extras,
            "tools": [c.tools for c in self.conversations],
            "untrained": [c.untrained or None for c in self.conversations],
            "images": [c.images or None for c in self.conversations],
        }
        arrays = [v if isinstance(v := columns[f.name], pa.Array) else pa.array(v, f.type) for f in CORPUS_SCHEMA]
        refused = zip(*self.refused, strict=True) if self.refused else ([], [], [])
        quarantine = [pa.array(values, f.type) for values, f in zip(refused, QUARANTINE_SCHEMA, strict=True)]
        return IngestBatch(
            pa.RecordBatch.from_arrays(arrays, schema=CORPUS_SCHEMA),
            pa.RecordBatch.from_arrays(quarantine, schema=QUARANTINE_SCHEMA),
        )

    def _tokens(self) -> tuple[pa.Array, pa.Array]:
        """Tokens of all messages and tool definitions, and of the trained answers, per row; null without a counter."""
        if self.options.count_tokens is None or not self.kept:
            nothing = pa.nulls(len(self.kept), pa.int32())
            return nothing, nothing
        flat = [message for c in self.conversations for message in c.messages]
        tools = [(row, c.tools) for row, c in enumerate(self.conversations) if c.tools is not None]
        texts = [text for _, text in flat] + [text for _, text in tools]
        counts = np.asarray(self.options.count_tokens(texts), dtype=np.int32)
        if len(counts) != len(texts):
            raise ValueError(f"count_tokens returned {len(counts)} counts for {len(texts)} texts")
        starts = np.cumsum([0, *(len(c.messages) for c in self.conversations[:-1])])
        trained = np.fromiter((role == "assistant" for role, _ in flat), dtype=bool, count=len(flat))
        for row, conversation in enumerate(self.conversations):
            for index in conversation.untrained:
                trained[starts[row] + index] = False
        of_messages, of_tools = counts[: len(flat)], counts[len(flat) :]
        tokens = np.add.reduceat(of_messages, starts)
        tokens[[row for row, _ in tools]] += of_tools
        return pa.array(tokens), pa.array(np.add.reduceat(of_messages * trained, starts))
