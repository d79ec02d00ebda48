"""Question and answer, with optional context and choices: GSM8K, MATH, SVAMP, MMLU, MetaMath and the like."""

from collections.abc import Mapping
from typing import Any

from datasel_assets.formats.conversation import Conversation, RowError, exchange, response_of, text_of, unmapped

LETTERS = "ABCDEFGHIJ"

FIELDS = {
    "question": ("question", "query", "problem"),
    "answer": ("solution", "answer", "ground_truth", "response", "output"),
    "context": ("context", "passage", "body"),
    "system": ("system", "system_prompt"),
    "choices": ("choices", "options"),
    **{letter: (letter,) for letter in "ABCD"},
}
REQUIRED = (("question",), ("answer",))
KINDS = {"answer": {"text", "transcript", "number"}, "choices": {"strings"}}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Context, question and lettered choices, each after a blank line -> user; answer -> assistant.

    A numeric answer is written without a trailing ``.0``; beside a ``choices`` list a whole number is the index
    of the right choice and becomes its letter.

    Raises:
        RowError: no answer, no question, or a field of the wrong type.
    """
    choices = _choices(record, columns)
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=False) if text is not None)
    parts = (text_of(record, columns.get("context")), text_of(record, columns.get("question")), listed)
    column = columns.get("answer")
    answer = record.get(column) if column else None
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if "choices" in columns and isinstance(answer, int) and 0 <= answer < len(choices):
            response = LETTERS[answer]
        else:
            response = str(int(answer)) if float(answer).is_integer() else str(answer)
    else:
        response = response_of(record, column, FIELDS["answer"])
    prompt = "\n\n".join(part for part in parts if part)
    return Conversation(exchange(prompt, response, text_of(record, columns.get("system"))), unmapped(record, columns))


def _choices(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[str | None]:
    """Choices from a list column, or from the columns A to D."""
    value: object = [record.get(columns[letter]) for letter in "ABCD" if letter in columns]
    if "choices" in columns:
        value = record.get(columns["choices"]) or []
    if not isinstance(value, list) or len(value) > len(LETTERS) or not all(isinstance(c, str | None) for c in value):
        raise RowError(f"wrong type: choices must be a list of at most {len(LETTERS)} texts")
    return value
