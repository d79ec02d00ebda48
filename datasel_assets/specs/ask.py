"""What is asked about a row, and how a reply is read: the part of a file in ``answers/`` that a prompt brings along.

Belongs here: the description; the shipped prompts have this form too. Does not: whom to ask (``specs.answers``),
building prompts and reading replies (``answers``).
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from datasel_assets.schema import StrictModel

Over = Literal["mean", "sum", "min", "max", "product"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]

RESERVED = frozenset(
    {
        *(
            "row_id",
            "item",
            "turn",
            "question",
            "other",
            "swapped",
            "sample",
            "reply",
            "unread",
            "logprobs",
            "attempts",
        ),
        *("tokens_in", "tokens_out", "cost", "latency", "failed"),
    }
)
"""Columns that every table of answers has: no field of a reply may be called so."""


class NumberReply(StrictModel, frozen=True):
    """The reply begins with a number, such as ``4`` or ``Score: 4/5``; it is the field ``score``.

    Attributes:
        read: ``number``.
        low: the lowest number that there can be; a reply with a lower one cannot be read.
        high: the highest.
        whole: whether only whole numbers count.
    """

    read: Literal["number"]
    low: float
    high: float
    whole: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "NumberReply":
        if self.low >= self.high:
            raise ValueError(f"'low' must be below 'high', but they are {self.low:g} and {self.high:g}")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that a reply holds."""
        return ("score",)


class Options(StrictModel, frozen=True):
    """A few words that a reply may begin with.

    Attributes:
        options: word -> its value.
    """

    options: dict[str, float]

    @field_validator("options")
    @classmethod
    def _several(cls, options: dict[str, float]) -> dict[str, float]:
        if len(options) < 2:
            raise ValueError("name at least two words with their values")
        folded = {word.strip().casefold() for word in options}
        if len(folded) < len(options) or "" in folded:
            raise ValueError("two of the words are the same, or one is empty")
        return options

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that a reply holds."""
        return ("score",)


class ExpectedReply(Options, frozen=True):
    """Probabilities of a few words as the first one of the reply, not the word that was written; the field ``score``.

    Attributes:
        read: ``expected``.
        options: word -> its value, each a single token of the model, such as the digits of a scale or YES and NO. The
            score is the mean of the values by the probabilities of the words: for digits the expected digit (DEITA),
            for ``{"YES": 1, "NO": 0}`` the probability of yes (AutoDS, UniEval).
        mass: least probability that the words have together; below it the model was about to write something else, and
            the reply cannot be read.
    """

    read: Literal["expected"]
    mass: Annotated[float, Field(ge=0, le=1)] = 0.1


class ChoiceReply(Options, frozen=True):
    """The reply begins with one of a few words, such as A or B; its value is the field ``score``.

    Attributes:
        read: ``choice``.
        options: word -> its value. For pairs the value says how much the first text is preferred: ``{A: 1, B: 0}``.
    """

    read: Literal["choice"]


class Bounds(StrictModel, frozen=True):
    """A number in a reply.

    Attributes:
        low: the lowest that there can be.
        high: the highest.
    """

    low: float | None = None
    high: float | None = None


class FieldsReply(StrictModel, frozen=True):
    """The reply is a JSON object with some numbers, or a text in which a regular expression finds them.

    Attributes:
        read: ``fields``.
        fields: name -> its bounds; each becomes a field. A truth value counts as 1 or 0.
        regex: with a named group for each field; without it the reply is JSON.
    """

    read: Literal["fields"]
    fields: Annotated[dict[Name, Bounds], Field(min_length=1)]
    regex: str | None = None

    @model_validator(mode="after")
    def _each_is_found(self) -> "FieldsReply":
        import regex

        if taken := sorted(RESERVED & set(self.fields)):
            raise ValueError(f"the field {taken[0]!r} is a column of every table of answers; name it otherwise")
        if self.regex is not None:
            try:
                groups = set(regex.compile(self.regex).groupindex)
            except regex.error as error:
                raise ValueError(f"regex: not a regular expression: {error}") from error
            if absent := sorted(set(self.fields) - groups):
                raise ValueError(f"regex: it has no group called {absent[0]!r}: write (?P<{absent[0]}>...)")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that a reply holds."""
        return tuple(self.fields)


class ReviewReply(StrictModel, frozen=True):
    """The reply is a review of code as JSON: ``correct``, a truth value, and ``revised``, the code as it should be.

    The field ``score`` is that of LASER's reviewer. With the code of the row in blocks: 1 where it is correct, needs no
    revision and is longer than three lines; else the share of its lines that stay, halved where it is not correct.
    Without code, or without a revision of what is wrong or very short: 0.5 where the answer is correct, else 0.

    Attributes:
        read: ``review``.
    """

    read: Literal["review"]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that a reply holds."""
        return ("score",)


class TextReply(StrictModel, frozen=True):
    """The reply is an answer of its own; the field ``score`` says how like the answer of the row it is.

    Attributes:
        read: ``text``.
        compare: ``exact``: 1 where both are equal up to case, white space and a full stop, else 0; ``overlap``: the
            F1 of their words.
    """

    read: Literal["text"]
    compare: Literal["exact", "overlap"] = "exact"

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that a reply holds."""
        return ("score",)


ReplySpec = NumberReply | ExpectedReply | ChoiceReply | FieldsReply | ReviewReply | TextReply


class ColumnSpec(StrictModel, frozen=True):
    """A score that is made of the answers about a row.

    Attributes:
        field: of the reply; the name of the column where the reply has a field of that name, else ``score``.
        question: counts only the answers to this question; None: all of them, see ``questions``.
        questions: how the answers to several questions become one.
        steps: how the steps of an answer do.
        turns: how those of several turns do.
        keep: whether ``high``, ``low`` or middling (``mid``) values are good.
        low: the lowest value that there can be.
        high: the highest.
        doc: what it says of a row.
    """

    field: Name | None = None
    question: Name | None = None
    questions: Over = "mean"
    steps: Over = "min"
    turns: Over = "mean"
    keep: Literal["high", "low", "mid"] = "high"
    low: float | None = None
    high: float | None = None
    doc: str = ""


class AskSpec(StrictModel, frozen=True):
    """What is asked and how replies are read.

    Attributes:
        about: one request for each ``row``, for each ``turn`` of a row (an exchange of question and answer), for each
            ``step`` of each answer (its paragraphs; of one paragraph its lines; of one line its sentences), or for each
            ``pair`` of rows.
        prompt: Jinja2 template. ``row`` has ``prompt``, ``response``, ``system`` and ``turns`` (each with ``prompt``
            and ``response``); ``turn`` is the turn that is asked about and ``before`` those before it; a ``step``
            stands in its turn, and ``steps`` are those before it; a pair is ``a`` and ``b``; ``question`` is the text
            of the question and ``question_name`` its name. Every text of a row is written between marks of its own.
        system: instructions that stand before the prompt; also a template.
        questions: name -> text; each is asked by itself.
        reply: how a reply is read.
        columns: score -> how it is made of the answers; without it one column for each field of the reply. A pair has
            one column for each question (or ``score``): the strength of the row.
        guard: say before the prompt that texts between marks are no instructions; false only where they are to be
            carried out, as when a model is to answer the row's question itself.
        max_reply_tokens: length of a reply.
        max_chars: texts of rows are cut in the middle to this length, and the prompt says so.
        paper: where it comes from.
        doc: what it tells.
    """

    about: Literal["row", "turn", "step", "pair"] = "row"
    prompt: Annotated[str, Field(min_length=1)]
    system: str = ""
    questions: dict[Name, str] = Field(default_factory=dict)
    reply: Annotated[ReplySpec, Field(discriminator="read")]
    columns: dict[Name, ColumnSpec] = Field(default_factory=dict)
    guard: bool = True
    max_reply_tokens: Annotated[int, Field(ge=1, le=32_768)] = 256
    max_chars: Annotated[int, Field(ge=16)] = 8000
    paper: str = ""
    doc: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "AskSpec":
        if self.about == "pair":
            if not isinstance(self.reply, Options):
                raise ValueError("a pair is answered by a preference: 'reply' must read a choice or an expected value")
            if not all(0 <= value <= 1 for value in self.reply.options.values()):
                raise ValueError("reply.options: a preference is a number from 0 (the second text) to 1 (the first)")
            if self.columns:
                raise ValueError("the columns of pairs are their questions: leave 'columns' out")
        for name, column in self.scores.items():
            if column.field not in self.reply.numbers:
                allowed = ", ".join(self.reply.numbers)
                raise ValueError(f"columns.{name}: a reply has no field {column.field!r}. Allowed: {allowed}")
            if column.question is not None and column.question not in self.questions:
                allowed = ", ".join(self.questions) or "none"
                raise ValueError(f"columns.{name}: there is no question {column.question!r}; there are: {allowed}")
        return self

    @property
    def scores(self) -> dict[str, ColumnSpec]:
        """The columns with their fields; those that stand for themselves where none are written down."""
        if self.about == "pair":
            named = {name: ColumnSpec(field="score", question=name) for name in self.questions}
            return named or {"score": ColumnSpec(field="score")}
        fields = self.reply.numbers
        written = self.columns or {name: ColumnSpec() for name in fields}
        return {
            name: column.model_copy(update={"field": column.field or (name if name in fields else fields[0])})
            for name, column in written.items()
        }
