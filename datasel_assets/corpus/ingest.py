"""From raw records to corpus and quarantine tables, as a stream of batches.

Belongs here: the order of the steps and the accounting (every record that comes in goes out on one side). Not here:
reading files (storage), what a schema means (``formats``), counting tokens (models; passed in as a function).
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa

from datasel_assets.corpus.detect import Detection, detect_format
from datasel_assets.corpus.identity import content_hash, row_id
from datasel_assets.corpus.ordinals import Ordinals
from datasel_assets.corpus.tables import CORPUS_SCHEMA, QUARANTINE_SCHEMA, messages_array
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import Conversation, RowError, checked
from datasel_assets.raw_rows import RAW_CHARS, RawRow

SAMPLE_ROWS = 200
"""Readable records that detection looks at."""

BATCH_CHARS = 64_000_000
"""A batch also ends here, so that a few huge rows cannot overflow Arrow's 2 GiB string columns."""

CountTokens = Callable[[list[str]], list[int]]


@dataclass(frozen=True)
class IngestBatch:
    """Tables with the columns of CORPUS_SCHEMA and QUARANTINE_SCHEMA; either may be empty."""

    corpus: pa.RecordBatch
    quarantine: pa.RecordBatch


@dataclass
class IngestSummary:
    """Running totals of one ingest; final once the batches are exhausted."""

    rows_in: int = 0
    kept: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    detection: Detection | None = None

    @property
    def quarantined_share(self) -> float:
        """Quarantined rows over rows in; 0 for an empty source."""
        return self.quarantined / self.rows_in if self.rows_in else 0.0

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

    Memory: one batch of rows, plus about 30 bytes per distinct content for the ordinals.

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
    head = list(islice(rows, SAMPLE_ROWS))
    sample = [row.record for row in head if row.record is not None]
    if sample:
        summary.detection = detect_format(sample, format, columns)
    ordinals = Ordinals()
    batch = _Batch(options)
    for row in chain(head, rows):
        if row.record is not None and summary.detection is None:  # nothing in the sample was readable
            summary.detection = detect_format([row.record], format, columns)
        summary.rows_in += 1
        if (reason := batch.add(row, summary.detection, ordinals)) is None:
            summary.kept += 1
        else:
            summary.quarantined += 1
            summary.reasons[reason.split(":", 1)[0]] += 1
        if batch.rows >= batch_rows or batch.chars >= BATCH_CHARS:
            yield batch.finish()
            batch = _Batch(options)
    if batch.rows:
        yield batch.finish()


class _Batch:
    """Column lists of the rows between two yields."""

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.rows = 0
        self.chars = 0
        self.kept: list[tuple[int, str, str, str]] = []  # position, row id, content hash, extra
        self.messages: list[list[tuple[str, str]]] = []
        self.prompts: list[str] = []
        self.responses: list[str] = []
        self.refused: list[tuple[int, str, str]] = []  # position, raw, reason

    def add(self, row: RawRow, detection: Detection | None, ordinals: Ordinals) -> str | None:
        """Put the row on one of the two sides; the reason when it was refused."""
        self.rows += 1
        reason = row.reason or "unreadable: the reader gave no reason"
        if row.record is not None and detection is not None:
            try:
                converted = FORMATS[detection.format].convert(row.record, detection.columns)
                conversation = checked(converted, self.options.max_turns, self.options.strip_suffix)
                self._keep(row.position, conversation, _json(conversation.extra), ordinals)
                return None
            except RowError as error:
                reason = str(error)
            except RecursionError:
                reason = "nested too deeply: the record cannot be walked through"
        raw = row.raw if row.raw is not None else _shown(row.record)
        self.chars += len(raw := raw[:RAW_CHARS])
        self.refused.append((row.position, raw, reason))
        return reason

    def _keep(self, position: int, conversation: Conversation, extra: str, ordinals: Ordinals) -> None:
        messages, final = conversation.messages, conversation.final
        content = content_hash(messages)
        self.kept.append((position, row_id(self.options.source, content, ordinals.next(content)), content, extra))
        self.messages.append(messages)
        self.prompts.append("\n\n".join(text for _, text in messages[:final]))
        self.responses.append(messages[final][1])
        self.chars += 2 * sum(len(text) for _, text in messages) + len(extra)

    def finish(self) -> IngestBatch:
        """The rows as Arrow tables."""
        tokens, response_tokens = self._tokens()
        positions, ids, contents, extras = zip(*self.kept, strict=True) if self.kept else ([], [], [], [])
        columns = {
            "row_id": ids,
            "source": [self.options.source] * len(self.kept),
            "position": positions,
            "messages": messages_array(self.messages),
            "n_turns": [len(messages) for messages in self.messages],
            "prompt": self.prompts,
            "response": self.responses,
            "n_chars": [sum(len(text) for _, text in messages) for messages in self.messages],
            "n_tokens": tokens,
            "n_response_tokens": response_tokens,
            "content_hash": contents,
            "extra": extras,
            "tools": [None] * len(self.kept),
            "untrained": [None] * len(self.kept),
            "images": [None] * len(self.kept),
        }
        arrays = [v if isinstance(v := columns[f.name], pa.Array) else pa.array(v, f.type) for f in CORPUS_SCHEMA]
        refused = zip(*self.refused, strict=True) if self.refused else ([], [], [])
        quarantine = [pa.array(values, f.type) for values, f in zip(refused, QUARANTINE_SCHEMA, strict=True)]
        return IngestBatch(
            pa.RecordBatch.from_arrays(arrays, schema=CORPUS_SCHEMA),
            pa.RecordBatch.from_arrays(quarantine, schema=QUARANTINE_SCHEMA),
        )

    def _tokens(self) -> tuple[pa.Array, pa.Array]:
        """Tokens of all messages and of the assistant messages, per row; null without a counter."""
        if self.options.count_tokens is None or not self.kept:
            nothing = pa.nulls(len(self.kept), pa.int32())
            return nothing, nothing
        flat = [message for messages in self.messages for message in messages]
        counts = np.asarray(self.options.count_tokens([text for _, text in flat]), dtype=np.int32)
        if len(counts) != len(flat):
            raise ValueError(f"count_tokens returned {len(counts)} counts for {len(flat)} texts")
        answers = np.fromiter((role == "assistant" for role, _ in flat), dtype=bool, count=len(flat))
        starts = np.cumsum([0, *(len(messages) for messages in self.messages[:-1])])
        return pa.array(np.add.reduceat(counts, starts)), pa.array(np.add.reduceat(counts * answers, starts))


def _json(extra: dict[str, Any]) -> str:
    """Unmapped fields as JSON with sorted keys; what JSON cannot say (dates, NaN, half surrogates) is made text."""
    if not extra:
        return "{}"
    try:
        text = json.dumps(extra, ensure_ascii=False, sort_keys=True, allow_nan=False, default=_as_text)
    except (TypeError, ValueError):  # keys of mixed types, or NaN and infinities
        text = json.dumps(_plain(extra), ensure_ascii=False, sort_keys=True)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(_plain(extra), ensure_ascii=True, sort_keys=True)
    return text


def _plain(value: Any) -> Any:
    """The value with text keys and without non-finite numbers, which become text so that nothing is lost."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else _as_text(value)


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _shown(record: dict[str, Any] | None) -> str:
    """A refused record for the person who looks at the quarantine."""
    if record is None:
        return ""
    try:
        return _json(record)
    except RecursionError:
        return f"(nested too deeply to show; fields: {', '.join(map(str, record))})"
