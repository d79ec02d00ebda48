"""Files of ``answers/`` that people answer, as the questions of ``labels/`` that they are.

Belongs here: the question that such a file asks. Does not: tasks, answers and what they mean (``tables.labels``), files
that a model answers (``answers``).
"""

from datasel_assets.answers.asks import ask_of
from datasel_assets.specs.answers import AnswersSpec, AskedPeopleSpec, AskedRows
from datasel_assets.specs.ask import AskSpec, NumberReply, Options
from datasel_assets.specs.labels import LabelsSpec, PeopleSpec

MOST = 9
"""Answers that a person can choose from: one key each."""


class AskedOfPeople(LabelsSpec, frozen=True):
    """The question of a file in ``answers/``.

    Attributes:
        rows: which rows are asked about, as the file says it.
        worth: what each answer counts.
    """

    rows: AskedRows
    worth: tuple[float, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """What each answer counts in a score."""
        return self.worth


def question_of(spec: AnswersSpec) -> AskedOfPeople:
    """Return the question that a file asks people.

    Raises:
        UnknownAskError: there is no shipped prompt of its name.
        ValueError: people cannot answer it by choosing one answer about a row.
    """
    provider, ask = spec.provider, ask_of(spec.ask)
    assert isinstance(provider, AskedPeopleSpec)
    if ask.about != "row" or ask.questions:
        raise ValueError("people are asked one question about whole rows: 'about: row', without 'questions'")
    told = {name: getattr(provider, name) for name in PeopleSpec.model_fields if name in provider.model_fields_set}
    answers = _answers(ask)
    column = next(iter(ask.scores.values()))
    return AskedOfPeople(
        **told,
        question=provider.people,
        answers=tuple(answers),
        keep="low" if column.keep == "low" else "high",
        doc=spec.doc,
        rows=spec.rows,
        worth=tuple(answers.values()),
    )


def _answers(ask: AskSpec) -> dict[str, float]:
    """Return what can be answered, from the least to the greatest value."""
    reply = ask.reply
    if isinstance(reply, NumberReply):
        numbers = range(int(reply.low), int(reply.high) + 1)
        found = {str(number): float(number) for number in numbers if reply.low <= number <= reply.high}
    elif isinstance(reply, Options):
        found = dict(sorted(reply.options.items(), key=lambda pair: pair[1]))
    else:
        raise ValueError(f"people choose one of a few answers, and a reply that is read as {reply.read!r} is none")
    if not 2 <= len(found) <= MOST:
        raise ValueError(f"people choose one of 2 to {MOST} answers, and the reply of this file has {len(found)}")
    return found
