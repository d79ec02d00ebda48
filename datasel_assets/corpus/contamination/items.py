"""From the records of an evaluation to the texts that rows are compared with.

Belongs here: which fields of a record are the question, the answer and the choices. Not here: reading files
(``storage.readers``), comparing (``index.py``). Unlike a row of the corpus, an item needs no answer.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datasel_assets.corpus.detect import Detection, detect_format
from datasel_assets.corpus.ingest import SAMPLE_ROWS
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import RowError, text_of, type_name
from datasel_assets.formats.qa import LETTERS
from datasel_assets.raw_rows import RawRow
from datasel_assets.specs.evaluation import Compare


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
    items: list[EvaluationItem] = []
    records = 0
    for row in rows:
        try:
            if row.record is None or detection is None:
                raise RowError(row.reason or "unreadable: the reader gave no reason")
            texts = _texts(row.record, detection, compare)
        except RowError as error:
            refused[str(error).split(":", 1)[0]] += 1
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


def _texts(record: Mapping[str, Any], detection: Detection, compare: Compare) -> list[str]:
    questions, answers = _TURNS[detection.format](record, detection.columns)
    questions = [text for text in questions if text and not text.isspace()]
    if not questions:
        raise RowError("missing question: no field of the record asks anything")
    if compare == "question_answer":
        answers = [text for text in answers if text and not text.isspace()]
        if not answers:
            raise RowError("missing answer: 'compare: question_answer' needs one")
        return ["\n\n".join([*questions, *answers])]
    if compare == "question_choices":
        choices = _choices(record, detection.columns)
        if not choices:
            raise RowError("missing choices: 'compare: question_choices' needs them")
        question = "\n\n".join(questions)
        lettered = [f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=False)]
        return ["\n".join([question, *lettered]), "\n".join([question, *choices])]
    return questions


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _alpaca(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[list[str], list[str]]:
    source: Mapping[str, Any] = record
    input_column, response_column = columns.get("input"), columns.get("response")
    instances = record.get(columns["instances"]) if "instances" in columns else None
    if isinstance(instances, list) and instances and isinstance(instances[0], Mapping):
        source, input_column, response_column = instances[0], "input", "output"
    question = _joined(text_of(record, columns.get("instruction")), text_of(source, input_column))
    return [question], [text_of(source, response_column)]


def _qa(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[list[str], list[str]]:
    question = _joined(text_of(record, columns.get("context")), text_of(record, columns.get("question")))
    answer = record.get(columns["answer"]) if "answer" in columns else None
    return [question], [answer if isinstance(answer, str) else "" if answer is None else f"{answer:g}"]


def _prompt_completion(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[list[str], list[str]]:
    prompt = record.get(columns["prompt"]) if "prompt" in columns else None
    if isinstance(prompt, list) and all(isinstance(turn, str) for turn in prompt):
        return prompt, [text_of(record, columns.get("response"))]
    return [text_of(record, columns.get("prompt"))], [text_of(record, columns.get("response"))]


def _text(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[list[str], list[str]]:
    return [text_of(record, columns.get("text"))], []


def _conversation(format: str) -> Any:
    def turns(record: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[list[str], list[str]]:
        messages = FORMATS[format].convert(record, columns).messages
        return [text for role, text in messages if role == "user"], [t for role, t in messages if role == "assistant"]

    return turns


_TURNS = {
    **{name: _conversation(name) for name in ("sharegpt", "messages", "transcript")},
    "alpaca": _alpaca,
    "qa": _qa,
    "prompt_completion": _prompt_completion,
    "text": _text,
}
"""Format -> function (record, columns) -> (questions, answers)."""


def _choices(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    """Choices from a list column, or from the columns A to D."""
    value: object = [record.get(columns[letter]) for letter in "ABCD" if letter in columns]
    if "choices" in columns:
        value = record.get(columns["choices"]) or []
    if not isinstance(value, list):
        raise RowError(f"wrong type: choices are {type_name(value)}, and must be a list of texts")
    return [str(choice) for choice in value if choice is not None]
