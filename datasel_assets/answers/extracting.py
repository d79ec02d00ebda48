"""Rows that a model draws out of a document: what it is asked, and what its reply holds.

Belongs here: the prompts of both passes, reading their replies. Does not: rules that draw rows without a model
(``documents``), asking (``models``), which documents are read (``tables.documents``).
"""

import json
import re
from collections.abc import Sequence

from datasel_assets.answers.prompts import AskedRow, Turn
from datasel_assets.answers.reading import without_thought
from datasel_assets.documents.document import Drawn
from datasel_assets.specs.ask import AskSpec
from datasel_assets.specs.extraction import ExtractorSpec

RULE = "model"
"""What stands for the rule in rows that a model has drawn."""
UNREAD = "it is no JSON list of objects with 'question' and 'answer'"

_FORM = 'Reply with a JSON list of at most {most} objects {{"question": ..., "answer": ...}} and nothing else; [] where'
_DRAW = """\
A document:
{{ row.prompt }}
Write down the questions that this document answers, each with its answer, such as its exercises with their solutions.
A question must be understood without the document, and its answer must follow from it. Make nothing up.
"""
_REFINE = """\
A document:
{{ row.prompt }}
Questions with answers were drawn out of it:
{{ row.response }}
Go through them. Complete answers that break off, correct what the document contradicts, and leave out whatever is not
understood without the document or does not follow from it.
"""
_LIST = re.compile(r"\[.*\]", re.DOTALL)


def first_pass(spec: ExtractorSpec) -> AskSpec:
    """Return what is asked about a document."""
    return _ask(spec, _DRAW, "it has none.")


def second_pass(spec: ExtractorSpec) -> AskSpec:
    """Return what is asked about the rows that the first pass has drawn (EQUAL's refinement)."""
    return _ask(spec, _REFINE, "none is left.")


def _ask(spec: ExtractorSpec, prompt: str, otherwise: str) -> AskSpec:
    return AskSpec.model_validate(
        {
            "system": "You draw questions with answers out of documents. You reply with JSON.",
            "prompt": f"{prompt}{_FORM.format(most=spec.most)} {otherwise}",
            "reply": {"read": "text"},
            "max_reply_tokens": spec.max_reply_tokens,
            "max_chars": spec.max_chars,
        }
    )


def document_row(text: str, rows: Sequence[Drawn] = ()) -> AskedRow:
    """Return a document as prompts see it, with the rows that were drawn out of it before."""
    drawn = json.dumps([{"question": row.prompt, "answer": row.response} for row in rows], ensure_ascii=False)
    return AskedRow(text, drawn, "", (Turn(text, drawn),))


def read_rows(reply: str, text: str, most: int) -> list[Drawn] | None:
    """Return the rows of a reply, at most so many; None where it cannot be read.

    A row that lacks a question or an answer is left out. Where the answer stands in the document word for word its
    place is told, else the whole document is.

    >>> read_rows('[{"question": "1+1?", "answer": "2"}]', "1+1 is 2", 5)
    [Drawn(prompt='1+1?', response='2', start=7, stop=8, rule='model')]
    >>> read_rows("I found none.", "", 5) is None
    True
    """
    found = _LIST.search(without_thought(reply))
    try:
        values = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        return None
    rows = []
    for value in values[:most]:
        question, answer = value.get("question"), value.get("answer")
        if isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip():
            rows.append(Drawn(question.strip(), answer.strip(), 0, len(text), RULE))
    return placed(rows, text)


def placed(rows: Sequence[Drawn], text: str) -> list[Drawn]:
    """Return rows with their places in a text; those whose answer does not stand in it have the whole of it."""
    found = []
    for row in rows:
        start = text.find(row.response)
        span = (start, start + len(row.response)) if start >= 0 else (0, len(text))
        found.append(Drawn(row.prompt, row.response, *span, row.rule))
    return found
