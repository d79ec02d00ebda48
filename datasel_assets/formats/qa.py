"""Question and answer, with optional context and choices: GSM8K, MATH, SVAMP, MMLU, MetaMath and the like."""

from collections.abc import Mapping
from string import ascii_uppercase as LETTERS
from typing import Any

from datasel_assets.formats import assemble
from datasel_assets.formats.conversation import Conversation, RowError, exchange, response_of, text_of
from datasel_assets.formats.values import NotTextError, is_missing, parsed_json, type_name, written

FIELDS = {
    "question": ("question", "query", "problem"),
    "answer": ("solution", "answer", "ground_truth", "response", "output"),
    "context": ("context", "passage", "body"),
    "system": ("system", "system_prompt"),
    "choices": ("choices", "options"),
    **{letter: (letter,) for letter in "ABCD"},
    **assemble.FIELDS,
}
REQUIRED = (("question",), ("answer",))
KINDS = {"answer": {"text", "transcript", "number"}, "choices": {"strings"}, **assemble.KINDS}
VALUES = {field: FIELDS[field] for field in ("answer", "context", "choices", "system", *"ABCD")}


def convert(record: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    """Context, question and lettered choices, each after a blank line -> user; answer -> assistant.

    A numeric answer is written without a trailing ``.0``; beside a list of choices a whole number is the index of the
    right choice, or, where it is no index, the right choice itself, and becomes its letter.

    Raises:
        RowError: no answer, no question, or a field of the wrong type.
    """
    choices = choices_of(record, columns)
    listed = "\n".join(f"{label}. {text}" for label, text in choices)
    parts = (text_of(record, columns.get("context")), text_of(record, columns.get("question")), listed)
    column = columns.get("answer")
    response = response_of(record, column, FIELDS["answer"])
    answer = record.get(column) if column else None
    if "choices" in columns and isinstance(answer, int | float):
        if isinstance(answer, int) and 0 <= answer < len(choices):
            response = choices[answer][0]
        else:
            response = next((label for label, text in choices if text == response), response)
    prompt = "\n\n".join(part for part in parts if part)
    return assemble.assemble(record, columns, exchange(prompt, response, text_of(record, columns.get("system"))))


def choices_of(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """(label, text) of each choice, from one column or from the columns A to D.

    A column may hold a list of values, JSON text of one, an object label -> value, or the lists ``text`` and ``label``
    as ARC has them.

    Raises:
        RowError: something else, or more choices than there are letters.
    """
    if "choices" not in columns:
        named = ((letter, text_of(record, columns[letter])) for letter in "ABCD" if letter in columns)
        return [(letter, text) for letter, text in named if text]
    value = record.get(columns["choices"])
    if isinstance(value, str | bytes) and (found := parsed_json(value)) is not None:
        value = found
    if is_missing(value):
        return []
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        texts, labels = value["text"], value.get("label") or LETTERS
    elif isinstance(value, Mapping):
        labels, texts = [key for key in value if value[key] is not None], [v for v in value.values() if v is not None]
    else:
        labels, texts = LETTERS, value
    fits = isinstance(texts, list) and len(texts) <= len(labels) and not any(_is_nested(text) for text in texts)
    if not fits:
        raise RowError(
            f"wrong type: choices must be a list of at most {len(LETTERS)} texts or numbers, or an object with one "
            f"for each label; column {columns['choices']!r} holds {type_name(value)}"
        )
    try:
        pairs = zip(labels, texts, strict=False)
        return [(str(label), written(text)) for label, text in pairs if text is not None]
    except NotTextError as error:
        raise RowError(f"wrong type: choices in column {columns['choices']!r} hold {error}") from error


def _is_nested(value: object) -> bool:
    return isinstance(value, list | tuple | Mapping)
