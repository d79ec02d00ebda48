"""Answered rows that a request shows: what people or another file of ``answers/`` said of them.

Belongs here: reading them, and writing an answer as a reply. Does not: which of them a request shows (``batches``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.answers.prompts import AskedRow
from datasel_assets.answers.reading import read_reply
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.batching.ask import count_tokens
from datasel_assets.specs.ask import AskSpec, FieldsReply, Options
from datasel_assets.tables.answers.questions import PEOPLE, Questions, read_rows
from datasel_assets.tables.pool import read_vectors
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows with their right replies.

    Attributes:
        row_ids: of the rows.
        texts: of the rows, as templates see them.
        replies: right ones.
        vectors: (n, d) of the rows.
        lengths: (n,) tokens of row and reply, about.
        representation: that the vectors are of.
    """

    row_ids: list[str]
    texts: Sequence[Mapping[str, AskedRow]]
    replies: list[str]
    vectors: np.ndarray
    lengths: np.ndarray
    representation: str


def examples_of(own: Questions, warehouse: Warehouse) -> Examples:
    """Return the rows that may be shown.

    Raises:
        ValueError: there are none, or what was answered is no reply that this file could read.
    """
    asked = own.spec.demonstrations
    assert asked is not None
    where = f"answers/{own.name}.yaml: demonstrations.from: {asked.source}"
    known = _answered(own, warehouse)
    if known.is_empty():
        raise ValueError(f"{where} has no answers about rows of the pool yet; get some, or leave 'demonstrations' out")
    drawn = hash_sample(known["row_id"].to_numpy(), asked.most, own.spec.seed)
    known = known[np.sort(drawn)]
    found = read_vectors(warehouse, asked.representation, known)
    known = known.with_columns(has_vector=pl.Series(~found.missing))
    vectors = np.asarray(found.vectors.take(np.flatnonzero(~found.missing)), np.float64)
    known = known.filter("has_vector")
    if known.is_empty():
        raise ValueError(f"{where}: none of its rows has a vector of {asked.representation}")
    replies = known["reply"].to_list()
    for reply in sorted(set(replies)):
        options = isinstance(own.ask.reply, Options) and reply.casefold() in map(str.casefold, own.ask.reply.options)
        if not options and (unread := read_reply(own.ask.reply, reply).unread):
            raise ValueError(f"{where} says {reply!r}, which is no reply that this file can read: {unread}")
    rows: dict[str, AskedRow] = {}
    for source in sorted(known["source"].unique()):
        for some in read_rows(warehouse, source, set(known["row_id"])):
            rows |= some
    ids = known["row_id"].to_list()
    lengths = [count_tokens(f"{rows[one].prompt} {rows[one].response}") for one in ids]
    texts = [{"row": rows[one]} for one in ids]
    return Examples(ids, texts, replies, vectors, np.array(lengths, np.float64), asked.representation)


def _answered(own: Questions, warehouse: Warehouse) -> pl.DataFrame:
    """Return ``row_id``, ``source`` and ``reply`` of the answered rows of the pool, by row id."""
    sources = warehouse.active_sources()
    key = own.examples_key
    if key[0] == PEOPLE:
        table = warehouse.lake.scan(key).filter(pl.col("answer").is_not_null() & pl.col("source").is_in(sources))
        found = table.select("row_id", "source", reply="answer").collect()
    else:
        numbers = own.ask.reply.numbers
        frames = [
            warehouse.lake.scan((*key, source))
            .filter(pl.col("unread").is_null() & pl.col("failed").is_null() & pl.col("other").is_null())
            .filter(pl.col("turn").is_null() & pl.col("question").is_null())
            .group_by("row_id")
            .agg(pl.col(name).mean() for name in numbers)
            .with_columns(source=pl.lit(source))
            for source in sources
            if warehouse.lake.info((*key, source))
        ]
        if not frames:
            return pl.DataFrame(schema=dict.fromkeys(("row_id", "source", "reply"), pl.String))
        table = pl.concat(frames).collect().drop_nulls(numbers)
        replies = [written(own.ask, values) for values in table.select(numbers).iter_rows(named=True)]
        found = table.select("row_id", "source", reply=pl.Series(replies, dtype=pl.String))
    return found.sort("row_id")


def written(ask: AskSpec, numbers: Mapping[str, float]) -> str:
    """Return the reply that says some numbers."""
    reply: Any = ask.reply
    if isinstance(reply, FieldsReply):
        return json.dumps({name: _whole(value) for name, value in numbers.items()})
    if isinstance(reply, Options):
        return min(reply.options, key=lambda word: abs(reply.options[word] - numbers["score"]))
    return f"{_whole(round(numbers['score'])) if getattr(reply, 'whole', False) else _whole(numbers['score'])}"


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(f"{value:.3g}")
