"""From the records of an evaluation to the texts that rows are compared with.

Belongs here: which fields of a record are the question, the answer and the choices. Not here: reading files
(``storage.readers``), comparing (``index.py``). Unlike a row of the corpus, an item needs no answer.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datasel_assets.corpus.columns import RecordColumns
from datasel_assets.corpus.detect import Detection, detect_format
from datasel_assets.corpus.ingest import SAMPLE_ROWS
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import RowError, response_of, text_of
from datasel_assets.formats.qa import choices_of
from datasel_assets.formats.values import is_blank
from datasel_assets.raw_rows import RawRow
from datasel_assets.specs.evaluation import Compare

_Reads = Callable[[Mapping[str, Any], Mapping[str, str]], list[str]]


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One text of one item. An item of several turns, or in several spellings, is several of these with one name."""

    evaluation: str
    item: str
    text: str


@dataclass(frozen=True)
class ItemsRead:
    """The texts of an evaluation, how many records they come from, and why others were left out.

    Attributes:
        items: in the order of the records.
        records: records that gave at least one text.
        refused: reason (up to its colon) -> records.
        detection: the schema that was found; None where no record was readable.
    """

    items: tuple[EvaluationItem, ...]
    records: int
    refused: Mapping[str, int]
    detection: Detection | None


def evaluation_items(
    evaluation: str,
    rows: Iterable[RawRow],
    *,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    compare: Compare = "question",
    item_column: str | None = None,
) -> ItemsRead:
    """Read the texts to compare from raw records.

    Args:
        evaluation: name of the evaluation.
        rows: raw rows as the readers give them.
        format: ``auto`` or a key of FORMATS; a question may also be a list of texts, one for each turn.
        columns: field of the format -> column, where detection cannot know.
        compare: ``question`` (with its context), ``question_answer``, or ``question_choices``, which gives two
            spellings of an item: choices with their letters and without.
        item_column: column that names the item; its position is its name when left out.

    Returns:
        The texts; a record without a question, or without the answer or choices that ``compare`` needs, is refused.

    Raises:
        FormatError: ``auto``, and the columns fit no format.
    """
    rows = list(rows)
    refused: Counter[str] = Counter()
    sample = list(islice((row.record for row in rows if row.record is not None), SAMPLE_ROWS))
    detection = detect_format(sample, format, columns) if sample else None
    reader = RecordColumns(detection, columns or {}, judged=False) if detection else None
    items: list[EvaluationItem] = []
    records = 0
    for row in rows:
        try:
            if row.record is None or detection is None or reader is None:
                raise RowError(row.reason or "unreadable: the reader gave no reason")
            texts = _texts(row.record, detection.format, reader.of(row.record), compare)
        except RowError as error:
            refused[str(error).split(":", 1)[0]] += 1
            continue
        except Exception as error:  # one odd item must not cost the evaluation
            refused[f"unexpected {type(error).__name__}"] += 1
            continue
        records += 1
        name = str(row.position if item_column is None else row.record.get(item_column, row.position))
        items += [EvaluationItem(evaluation, name, text) for text in texts]
    return ItemsRead(tuple(items), records, dict(refused), detection)


def halved(text: str) -> str:
    """Return a copy that keeps half of the words, in their order; which half depends on the text alone.

    A text of one word, as those of scripts without word spaces are, keeps half of its characters.
    """
    words, space = text.split(), " "
    if len(words) < 2:
        words, space = list(text), ""
    kept = random.Random(text).sample(range(len(words)), (len(words) + 1) // 2)
    return space.join(words[i] for i in sorted(kept))


def _texts(record: Mapping[str, Any], format: str, columns: Mapping[str, str], compare: Compare) -> list[str]:
    asks = _QUESTIONS.get(format) or _said_by("user", format)
    questions = [text for text in asks(record, columns) if not is_blank(text)]
    if not questions:
        raise RowError("missing question: no field of the record asks anything")
    if compare == "question_answer":
        says = _ANSWERS.get(format) or _said_by("assistant", format)
        answers = [text for text in says(record, columns) if not is_blank(text)]
        if not answers:
            raise RowError("missing answer: 'compare: question_answer' needs one")
        return ["\n\n".join([*questions, *answers])]
    if compare == "question_choices":
        choices = choices_of(record, columns)
        if not choices:
            raise RowError("missing choices: 'compare: question_choices' needs them")
        question = "\n\n".join(questions)
        lettered = [f"{label}. {text}" for label, text in choices]
        return ["\n".join([question, *lettered]), "\n".join([question, *(text for _, text in choices)])]
    return questions


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _instance(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """The record and columns that hold input and output: one level down where there are instances."""
    instances = record.get(columns["instances"]) if "instances" in columns else None
    if isinstance(instances, list) and instances and isinstance(instances[0], Mapping):
        return instances[0], {"input": "input", "response": "output"}
    return record, columns


def _alpaca_question(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    source, inner = _instance(record, columns)
    return [_joined(text_of(record, columns.get("instruction")), text_of(source, inner.get("input")))]


def _alpaca_answer(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    source, inner = _instance(record, columns)
    return [_answer(source, inner.get("response"))]


def _qa_question(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    return [_joined(text_of(record, columns.get("context")), text_of(record, columns.get("question")))]


def _prompts(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    prompt = record.get(columns["prompt"]) if "prompt" in columns else None
    if isinstance(prompt, list) and all(isinstance(turn, str) for turn in prompt):
        return prompt
    return [text_of(record, columns.get("prompt"))]


def _answer(record: Mapping[str, Any], column: str | None) -> str:
    """Text of an answer; empty where there is none."""
    return "" if column is None or record.get(column) is None else response_of(record, column, ())


def _field(name: str) -> _Reads:
    return lambda record, columns: [text_of(record, columns.get(name))]


def _given(name: str) -> _Reads:
    return lambda record, columns: [_answer(record, columns.get(name))]


def _said_by(role: str, format: str) -> _Reads:
    def said(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
        return [text for speaker, text in FORMATS[format].convert(record, columns).messages if speaker == role]

    return said


_QUESTIONS: dict[str, _Reads] = {
    "alpaca": _alpaca_question,
    "qa": _qa_question,
    "prompt_completion": _prompts,
    "text": _field("text"),
}
"""Format -> function (record, columns) -> questions; of any other the user's turns of the conversation.

Answers are read only where they are compared, and a record without one may be an item.
"""

_ANSWERS: dict[str, _Reads] = {
    "alpaca": _alpaca_answer,
    "qa": _given("answer"),
    "prompt_completion": _given("response"),
    "text": lambda record, columns: [],
}
"""Format -> function (record, columns) -> answers; of any other the assistant's turns of the conversation."""
