"""The data files of a release: one conversation after the other, in every shape that was asked for.

Belongs here: which files there are, what stands beside a conversation in each, which rows a file cannot hold. Does not
belong here: the shape of one conversation (``conversations``), configs, what is said of the files (``card``).

``train.jsonl`` and ``train.parquet`` hold every row and all that belongs to it. A trainer that could not be told by its
config how to read ``train.jsonl`` faithfully gets a file of its own, which exists only where rows call for it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.storage.release.conversations import (
    NotExpressibleError,
    json_line,
    require_llamafactory,
    to_alpaca,
    to_marked_messages,
    to_messages,
    to_prompt_completion,
    to_sharegpt,
    tool_list,
    up_to_answers,
)

Format = Literal["messages", "alpaca", "sharegpt"]
Split = Literal["train", "validation"]

FORMATS = ("messages", "alpaca", "sharegpt")
COLUMNS = ("row_id", "source", "messages", "rank", "score", "n_tokens", "n_response_tokens", "extra")
"""Columns that the rows must have and that lead ``train.parquet``; any further ones follow by name."""

PART_OF_CONVERSATION = ("tools", "untrained", "images")
"""Columns of the corpus that belong to a conversation; each is left out where no row has anything in it."""

NO_PICTURES = "the config trains a model of text, which sees no pictures"
NO_MARKS = "the format has no mark for an answer that is not to be trained on"
MISPLACED_PICTURES = "LLaMA-Factory needs one <image> in the text for each picture"

_NOT_EXPORTED = {"prompt", "response"}
"""Copies of text in ``messages``; trainers take a column ``prompt`` for another kind of dataset."""

_ROW_GROUP = 8192

Reasons = dict[str, list[str]]
"""Reason -> ids of the rows that a file does not hold."""


@dataclass(frozen=True)
class Carried:
    """What rows of a release have beside role and content of their messages.

    Attributes:
        tools: rows with tool definitions.
        untrained: rows with answers that are not to be trained on.
        images: rows with pictures.
        weight: whether rows weigh differently, and say so in a column.
    """

    tools: int = 0
    untrained: int = 0
    images: int = 0
    weight: bool = False


@dataclass(frozen=True)
class Written:
    """The data files.

    Attributes:
        carried: what their rows have beside role and content.
        not_expressible: format or trainer -> reason -> row ids, without those that hold every row.
    """

    carried: Carried
    not_expressible: dict[str, Reasons]

    def with_more(self, other: "Written") -> "Written":
        """Return what is said of both, the files of another split beside these."""
        merged: dict[str, Reasons] = {}
        for written in (self, other):
            for name, reasons in written.not_expressible.items():
                for reason, row_ids in reasons.items():
                    merged.setdefault(name, {}).setdefault(reason, []).extend(row_ids)
        return Written(self.carried, merged)


@dataclass(frozen=True)
class Example:
    """One row. ``tools`` is JSON text; the three that belong to a conversation are empty where there is none."""

    row_id: str
    messages: list[dict[str, str]]
    tools: str
    untrained: frozenset[int]
    images: tuple[str, ...]
    weight: float


Convert = Callable[[Example, Carried], list[dict[str, Any]]]
"""A row -> its lines in a file; NotExpressibleError where the file cannot hold it."""


def with_parts_in_use(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without those columns of ``PART_OF_CONVERSATION`` that are empty in all of them."""
    empty = [name for name in PART_OF_CONVERSATION if name in rows.columns and not _filled(rows[name])]
    return rows.drop(empty)


def carried_by(rows: pl.DataFrame, *, weighted: bool) -> Carried:
    """Return what the rows of a release have beside role and content.

    Args:
        rows: all of them, from ``with_parts_in_use``.
        weighted: whether the column ``weight`` says anything.
    """
    counts = {name: _filled(rows[name]) for name in PART_OF_CONVERSATION if name in rows.columns}
    return Carried(**counts, weight=weighted)


def in_split(file: str, split: Split) -> str:
    """Return the name that a data file has in a split.

    >>> in_split("train.jsonl", "validation"), in_split("trl.jsonl", "validation")
    ('validation.jsonl', 'validation_trl.jsonl')
    """
    if split == "train":
        return file
    return file.replace("train", split, 1) if file.startswith("train.") else f"{split}_{file}"


def write_data(
    folder: Path, rows: pl.DataFrame, formats: Sequence[Format], carried: Carried, split: Split = "train"
) -> Written:
    """Write the data files of one split of a release into ``folder``.

    Args:
        folder: where they go.
        rows: of the split, in order, with ``COLUMNS``, from ``with_parts_in_use``.
        formats: beside ``train.jsonl`` and ``train.parquet``.
        carried: by the rows of all splits, which have the same columns and files.
        split: which one.
    """
    _write_parquet(folder / in_split("train.parquet", split), rows)
    _write_lines(folder / in_split("train.jsonl", split), (_whole(example, carried) for example in _examples(rows)))
    wanted: dict[str, tuple[str, Convert]] = {}
    if "sharegpt" in formats:
        wanted["sharegpt"] = ("sharegpt.jsonl", _sharegpt)
    if "alpaca" in formats:
        wanted["alpaca"] = ("alpaca.json", _alpaca)
    if carried.untrained or carried.images:
        wanted |= {"trl": ("trl.jsonl", _trl), "llamafactory": ("llamafactory.jsonl", _llamafactory)}
    if carried.tools or carried.images:
        wanted["axolotl"] = ("axolotl.jsonl", _axolotl)
    lost: dict[str, Reasons] = {}
    if "llamafactory" not in wanted:  # it reads train.jsonl, and skips such rows by itself
        lost["llamafactory"] = _refused(rows, _llamafactory, carried)
    for name, (file, convert) in wanted.items():
        lost[name] = _refused(rows, convert, carried)
        refused = {row_id for ids in lost[name].values() for row_id in ids}
        kept = (line for x in _examples(rows) if x.row_id not in refused for line in convert(x, carried))
        if refused and len(refused) == rows["row_id"].n_unique():
            continue
        (_write_array if file.endswith(".json") else _write_lines)(folder / in_split(file, split), kept)
    return Written(carried, {name: reasons for name, reasons in lost.items() if reasons})


def fields_only_in_extra(rows: pl.DataFrame) -> dict[str, int]:
    """Return how many rows have each field of a message (``name``, for example) that stands in ``extra`` alone."""
    found: defaultdict[str, int] = defaultdict(int)
    for extra in rows["extra"].filter(rows["extra"].str.contains('"message_fields"', literal=True)):
        by_message = json.loads(extra).get("message_fields")
        fields = by_message.values() if isinstance(by_message, dict) else ()
        for name in {name for held in fields if isinstance(held, dict) for name in held}:
            found[name] += 1
    return dict(sorted(found.items()))


def _filled(values: pl.Series) -> int:
    """Count the entries that are neither null nor empty."""
    sizes = values.list.len() if isinstance(values.dtype, pl.List) else values.str.len_bytes()
    return int((sizes.fill_null(0) > 0).sum())


def _examples(rows: pl.DataFrame) -> Iterator[Example]:
    absent = [pl.lit(None).alias(name) for name in (*PART_OF_CONVERSATION, "weight") if name not in rows.columns]
    names = ("row_id", "messages", *PART_OF_CONVERSATION, "weight")
    for row_id, messages, tools, untrained, images, weight in rows.with_columns(absent).select(names).iter_rows():
        yield Example(row_id, messages, tools or "", frozenset(untrained or ()), tuple(images or ()), weight)


def _beside(example: Example, carried: Carried) -> dict[str, Any]:
    """Return what stands beside a conversation: the same keys in all lines, as readers infer types from the first ones.

    No tools are an empty list as JSON text: TRL parses every text, and types it by the first rows.
    """
    found: dict[str, Any] = {}
    if carried.tools:
        found["tools"] = example.tools or "[]"
    if carried.images:
        found["images"] = list(example.images)
    if carried.weight:
        found["weight"] = example.weight
    return found


def _conversation(example: Example, carried: Carried) -> dict[str, Any]:
    if carried.untrained:
        return to_marked_messages(example.messages, example.untrained)
    return to_messages(example.messages)


def _whole(example: Example, carried: Carried) -> dict[str, Any]:
    return _conversation(example, carried) | _beside(example, carried)


def _trl(example: Example, carried: Carried) -> list[dict[str, Any]]:
    if example.images:
        raise NotExpressibleError(NO_PICTURES)
    beside = {key: value for key, value in _beside(example, carried).items() if key != "images"}
    if not carried.untrained:
        return [to_messages(example.messages) | beside]
    cut = up_to_answers(example.messages, example.untrained)
    return [to_prompt_completion(conversation) | beside for conversation in cut]


def _axolotl(example: Example, carried: Carried) -> list[dict[str, Any]]:
    if example.images:
        raise NotExpressibleError(NO_PICTURES)
    beside = {key: value for key, value in _beside(example, carried).items() if key != "images"}
    if carried.tools:
        beside["tools"] = tool_list(beside["tools"])
    return [_conversation(example, carried) | beside]


def _llamafactory(example: Example, carried: Carried) -> list[dict[str, Any]]:
    cut = up_to_answers(example.messages, example.untrained) if carried.untrained else [example.messages]
    lines = []
    for conversation in cut:
        require_llamafactory(conversation)
        beside = _beside(example, carried)
        if carried.images:
            shown = sum(message["content"].count("<image>") for message in conversation)
            if shown > len(example.images) or (
                len(conversation) == len(example.messages) and shown < len(example.images)
            ):
                raise NotExpressibleError(MISPLACED_PICTURES)
            beside["images"] = beside["images"][:shown]
        lines.append(to_messages(conversation) | beside)
    return lines


def _sharegpt(example: Example, carried: Carried) -> list[dict[str, Any]]:
    if example.untrained:
        raise NotExpressibleError(NO_MARKS)
    return [to_sharegpt(example.messages) | _beside(example, carried)]


def _alpaca(example: Example, carried: Carried) -> list[dict[str, Any]]:
    if example.untrained:
        raise NotExpressibleError(NO_MARKS)
    return [to_alpaca(example.messages) | _beside(example, carried)]


def _refused(rows: pl.DataFrame, convert: Convert, carried: Carried) -> Reasons:
    reasons: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for example in _examples(rows):
        try:
            convert(example, carried)
        except NotExpressibleError as error:
            reasons[str(error)][example.row_id] = None  # once, however many copies of it there are
    return {reason: list(row_ids) for reason, row_ids in reasons.items()}


def _write_lines(path: Path, values: Iterable[object]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(json_line(value) + "\n" for value in values)


def _write_array(path: Path, values: Iterable[object]) -> None:
    """Write a JSON array with one element per line: readable, and diffs by row."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for index, value in enumerate(values):
            handle.write(("[\n" if index == 0 else ",\n") + json_line(value))
        handle.write("\n]\n")


def _write_parquet(path: Path, rows: pl.DataFrame) -> None:
    """Write columns, types and row groups in a fixed way: bytes must not depend on how the frame was cut."""
    others = sorted(set(rows.columns) - set(COLUMNS) - _NOT_EXPORTED)
    rows = rows.select(*COLUMNS, *others)
    schema = _plain_schema(rows.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows.height, _ROW_GROUP):
            piece = rows.slice(start, _ROW_GROUP).to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(piece.cast(schema).combine_chunks(), row_group_size=_ROW_GROUP)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """Replace the 64-bit strings and lists of Polars by the ordinary ones, which every reader takes."""

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_large_string(kind):
            return pa.string()
        if pa.types.is_large_list(kind):
            return pa.list_(plain(kind.value_type))
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(f.name, plain(f.type)) for f in kind])
        return kind

    return pa.schema([pa.field(f.name, plain(f.type)) for f in schema])
