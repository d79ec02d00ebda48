"""Text indicators: what a row's text says about it, without a model.

Belongs here: the list of them (``TEXT``) and the functions that fill their columns, for single texts per side and for
whole conversations. Does not: any indicator; each concept has a file of its own beside this one.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.indicators.base import Aggregate, Indicator, Part
from datasel_assets.indicators.text import (
    dsir,
    frequency,
    language,
    lexical_diversity,
    overlap,
    readability,
    repetition,
    spelling,
    surface,
)
from datasel_assets.indicators.text.language import languages
from datasel_assets.words.batch import TextBatch

TEXT: tuple[Indicator, ...] = (
    lexical_diversity.ttr,
    lexical_diversity.root_ttr,
    lexical_diversity.herdan_c,
    lexical_diversity.maas,
    lexical_diversity.msttr,
    lexical_diversity.mattr,
    lexical_diversity.mtld,
    lexical_diversity.mtld_w,
    lexical_diversity.hdd,
    lexical_diversity.vocd_d,
    lexical_diversity.distinct_1,
    lexical_diversity.distinct_2,
    readability.flesch,
    readability.gunning_fog,
    readability.dale_chall,
    readability.syllables_per_word,
    surface.characters,
    surface.words,
    surface.sentences,
    surface.mean_word_length,
    surface.symbol_share,
    surface.digit_share,
    surface.uppercase_share,
    surface.non_ascii_share,
    surface.ends_open,
    repetition.top_2gram_share,
    repetition.top_3gram_share,
    repetition.top_4gram_share,
    repetition.duplicate_line_share,
    repetition.repeated_word_run,
    repetition.compression_ratio,
    frequency.unigram_logprob,
    frequency.dqi_c1,
    frequency.dqi_c2,
    frequency.dqi_c6,
    spelling.misspelling_rate,
    language.language_confidence,
    language.language_mismatch,
    dsir.dsir_log_ratio,
    overlap.prompt_jaccard,
    overlap.prompt_rouge_l,
    overlap.prompt_bleu,
)
"""All text indicators. Those without ``parts`` take (prompt, response) and fill one column of the row."""

ROLE_OF: dict[Part, str] = {"prompt": "user", "response": "assistant"}
"""Role of the turns that make up a side of a conversation."""

_Columns = list[tuple[Indicator, Part | None]]

__all__ = ["TEXT", "inputs_of", "languages", "score_conversations", "score_texts"]


def inputs_of(found: Indicator) -> tuple[str, ...]:
    """Names of what an indicator needs beside the texts: counts of a pool, bands, a target."""
    parameters = inspect.signature(found.compute).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def score_texts(
    prompts: TextBatch, responses: TextBatch, names: Collection[str] | None = None, **inputs: Any
) -> dict[str, np.ndarray]:
    """Compute columns of text indicators from one text per side.

    Args:
        prompts: n texts of the user's side.
        responses: n texts of the assistant's side.
        names: columns to compute; None for all whose inputs are given.
        inputs: what some indicators need beside the texts (``inputs_of``), by name: ``counts``, ``frequency_band``,
            ``length_band``, ``labels``, ``label_counts``, ``label_bands``, ``importance``.

    Returns:
        Column name to float32 (n,), NaN where a value is not defined.
    """
    if len(prompts) != len(responses):
        raise ValueError(f"{len(prompts)} prompts for {len(responses)} responses: give one for each, '' for none")
    sides: dict[Part, TextBatch] = {"prompt": prompts, "response": responses}
    columns: dict[str, np.ndarray] = {}
    for found, part in _wanted(names, inputs):
        given = {key: inputs[key] for key in inputs_of(found)}
        texts = (sides[part],) if part else (prompts, responses)
        columns[_column(found, part)] = found(*texts, **given).astype(np.float32)
    return columns


def score_conversations(
    messages: Sequence[Sequence[Mapping[str, str]]], names: Collection[str] | None = None, **inputs: Any
) -> tuple[dict[str, np.ndarray], pl.DataFrame]:
    """Compute columns of text indicators for conversations, with several turns aggregated as each indicator declares.

    The user's turns are the prompt side, the assistant's the response side; system and tool messages belong to
    neither. ``whole`` takes the turns of a side joined by line breaks, which is also what indicators of both sides
    take; the other aggregates are over the values of the turns, without those that are NaN.

    Args:
        messages: n conversations, each messages with ``role`` and ``content``.
        names: columns to compute, as for ``score_texts``.
        inputs: as for ``score_texts``.

    Returns:
        Column name to float32 (n,), and the values of single turns of the sides that have more than one: columns
        ``row`` (int64), ``part``, ``turn`` (int32, from 0 within the side) and one float32 column for each indicator
        that has sides. ``labels``, which belong to rows, are repeated for their turns.
    """
    turns: dict[Part, list[list[str]]] = {
        part: [_contents(row, role) for row in messages] for part, role in ROLE_OF.items()
    }
    whole = {part: TextBatch(["\n".join(contents) for contents in rows]) for part, rows in turns.items()}
    columns = score_texts(whole["prompt"], whole["response"], names, **inputs)
    tables = [pl.DataFrame(schema={"row": pl.Int64, "part": pl.String, "turn": pl.Int32})]
    for part, rows in turns.items():
        wanted = [found for found, side in _wanted(names, inputs) if side == part]
        if not wanted:
            continue
        row, turn, texts = _several(rows)
        batch = TextBatch(texts)
        table: dict[str, Any] = {"row": row, "part": pl.Series([part] * len(row), dtype=pl.String), "turn": turn}
        for found in wanted:
            given = {key: inputs[key] for key in inputs_of(found)}
            if "labels" in given:
                given["labels"] = [given["labels"][k] for k in row]
            values = found(batch, **given)
            table[found.name] = values.astype(np.float32)
            if found.aggregate != "whole":
                _aggregate(columns[_column(found, part)], row, values, found.aggregate)
        tables.append(pl.DataFrame(table))
    return columns, pl.concat(tables, how="diagonal")


def _wanted(names: Collection[str] | None, inputs: Mapping[str, Any]) -> _Columns:
    """Indicators to compute with the side of each; None for those of both sides."""
    every: _Columns = [(found, part) for found in TEXT for part in _sides(found)]
    known = {key for found in TEXT for key in inputs_of(found)}
    if surplus := set(inputs) - known:
        raise TypeError(f"no text indicator takes {sorted(surplus)}; inputs are {sorted(known)}")
    if names is None:
        given: _Columns = [(found, part) for found, part in every if set(inputs_of(found)) <= set(inputs)]
        return given
    if unknown := set(names) - {_column(found, part) for found, part in every}:
        raise ValueError(f"no text indicator fills the columns {sorted(unknown)}")
    chosen: _Columns = [(found, part) for found, part in every if _column(found, part) in set(names)]
    for found, part in chosen:
        if missing := set(inputs_of(found)) - set(inputs):
            raise ValueError(f"{_column(found, part)} needs {sorted(missing)}: give them or leave the column out")
    return chosen


def _sides(found: Indicator) -> tuple[Part | None, ...]:
    return found.parts or (None,)


def _column(found: Indicator, part: Part | None) -> str:
    return f"{part}_{found.name}" if part else found.name


def _contents(messages: Sequence[Mapping[str, str]], role: str) -> list[str]:
    return [message["content"] for message in messages if message["role"] == role]


def _several(rows: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Row, turn and text of each turn of the rows with more than one."""
    found = [(k, t, text) for k, turns in enumerate(rows) if len(turns) > 1 for t, text in enumerate(turns)]
    row = np.array([k for k, _, _ in found], np.int64)
    return row, np.array([t for _, t, _ in found], np.int32), [text for _, _, text in found]


def _aggregate(column: np.ndarray, row: np.ndarray, values: np.ndarray, how: Aggregate) -> None:
    """Write the aggregate of the values of each row's turns into the column."""
    turns = pl.DataFrame({"row": row, "value": values}).with_columns(pl.col("value").fill_nan(None))
    value = pl.col("value")
    # The sum of no value is not 0 but unknown.
    several = pl.when(value.count() > 0).then(getattr(value, how)())
    found = turns.group_by("row").agg(several.alias("value"))
    column[found["row"].to_numpy()] = found["value"].fill_null(np.nan).to_numpy()
