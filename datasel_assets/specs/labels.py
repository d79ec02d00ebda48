"""``data/labels/*.yaml``: a question that people answer about rows.

Belongs here: what such a file may say. Does not: who is right (``crowd``), files of answers (``storage.label_files``).
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel

Truth = Literal["majority", "zencrowd", "dawid_skene", "glad", "pm", "catd"]


class AskSpec(StrictModel, frozen=True):
    """Which rows are asked about; of rows with one content only the first.

    Attributes:
        rows: how many; all when left out.
        by: ``random``: a sample by the hash of the row id; ``stratified``: equally many of every source, as far as it
            has them; ``uncertainty``: those whose ``score`` is nearest to ``at``. What the answers say of the pool as
            a whole, such as the share of noise, holds for the first two only (of ``stratified`` source by source).
        score: the score of ``uncertainty``, such as ``proxy_lm.ppl`` or the ``posterior`` of another file in
            ``labels/``.
        at: where that score is least certain; its median when left out.
        sources: of these sources only.
        seed: another seed, another sample.
    """

    rows: Annotated[int, Field(ge=1)] | None = None
    by: Literal["random", "stratified", "uncertainty"] = "random"
    score: str | None = None
    at: float | None = None
    sources: Annotated[tuple[Slug, ...], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _a_score_where_one_is_read(self) -> "AskSpec":
        if (self.by == "uncertainty") != (self.score is not None):
            raise ValueError("'score' goes with 'by: uncertainty', and that with a score")
        if self.at is not None and self.score is None:
            raise ValueError("'at' goes with 'by: uncertainty'")
        return self


class GoldenSpec(StrictModel, frozen=True):
    """Rows whose right answer is known: by them workers are checked.

    Attributes:
        file: CSV with ``row_id`` or ``content_hash`` and ``answer``, from the data folder.
        rate: share of the tasks on the labelling page that are golden ones, as long as there are any.
    """

    file: Annotated[str, Field(min_length=1, pattern=r"\.csv$")]
    rate: Annotated[float, Field(ge=0, le=0.5)] = 0.1


class StopSpec(StrictModel, frozen=True):
    """When a row has been asked about enough.

    Attributes:
        posterior: how probable its answer must have become; never below what two of three say.
        most: answers at most.
    """

    posterior: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    most: Annotated[int, Field(ge=1)] = 5


class QuestionSpec(StrictModel, frozen=True):
    """A question about rows, and what can be answered.

    Attributes:
        question: what people are asked about each row.
        answers: what they can say, from worst to best; up to nine, one key each on the labelling page.
        scale: instead of answers: the lowest and the highest whole number.
        ordered: the answers have an order, so that a row has a score: 0 for the first, 1 for the second, ... Without
            one only the posterior is known.
        ask: which rows.
        keep: whether ``high`` or ``low`` scores are good.
        doc: what it is for.
    """

    question: Annotated[str, Field(min_length=1)]
    answers: Annotated[tuple[str, ...], Field(min_length=2, max_length=9)] | None = None
    scale: tuple[int, int] | None = None
    ordered: bool = True
    ask: AskSpec = AskSpec()
    keep: Literal["high", "low"] = "high"
    doc: str = ""


class PeopleSpec(StrictModel, frozen=True):
    """How people are asked, checked and believed.

    Attributes:
        guidelines: file with what they should know, shown as plain text; from the data folder.
        per_row: answers that each row should get.
        golden: rows whose answer is known.
        stop: ask about a row until its answer is that sure, and not ``per_row`` times.
        truth: how one answer is made of several.
        prior_right: of ``dawid_skene``: answers that everybody is credited with for each class that he tells right.
        prior_wrong: the same for each way to err.
        price: of an answer, in whatever currency.
        files: ``.csv``, ``.jsonl`` or ``.json`` files of answers that came back, from the data folder, also patterns;
            what the labelling page writes is read in any case.
        noise: answers that mean that a row is better left out; the worst one when left out.
    """

    guidelines: str | None = None
    per_row: Annotated[int, Field(ge=1)] = 3
    golden: GoldenSpec | None = None
    stop: StopSpec | None = None
    truth: Truth = "dawid_skene"
    prior_right: Annotated[float, Field(ge=0)] = 2.5
    prior_wrong: Annotated[float, Field(ge=0)] = 0.5
    price: Annotated[float, Field(ge=0)] = 0.0
    files: str | tuple[str, ...] = ()
    noise: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _priors_of_one_method(self) -> "PeopleSpec":
        if self.truth != "dawid_skene" and (stray := {"prior_right", "prior_wrong"} & self.model_fields_set):
            raise ValueError(f"{min(stray)!r} goes with 'truth: dawid_skene'")
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """Where answers that came back are."""
        return (self.files,) if isinstance(self.files, str) else self.files

    @property
    def enough(self) -> tuple[float | None, int]:
        """Posterior at which asking stops (None: it does not), and answers at most."""
        return (self.stop.posterior, self.stop.most) if self.stop else (None, self.per_row)


class LabelsSpec(PeopleSpec, QuestionSpec, frozen=True):
    """A question about rows, who is asked about which of them, and where the answers are."""

    @model_validator(mode="after")
    def _one_way_to_answer(self) -> "LabelsSpec":
        if (self.answers is None) == (self.scale is None):
            raise ValueError("give one of 'answers' and 'scale'")
        if self.scale is not None and not 1 <= self.scale[1] - self.scale[0] <= 8:
            raise ValueError(f"scale must be [lowest, highest] with 2 to 9 numbers, but it is {list(self.scale)}")
        if self.scale is not None and not self.ordered:
            raise ValueError("'ordered: false' goes with 'answers': a scale has an order")
        repeated = sorted({one for one in self.classes if self.classes.count(one) > 1 or not one.strip()})
        if repeated:
            raise ValueError(f"answers: {repeated[0]!r} is empty or stands there twice")
        if unknown := sorted(set(self.noise) - set(self.classes)):
            raise ValueError(f"noise: {unknown[0]!r} is none of the answers {', '.join(self.classes)}")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The answers as texts, in their order."""
        if self.scale is not None:
            return tuple(map(str, range(self.scale[0], self.scale[1] + 1)))
        return tuple(self.answers or ())

    @property
    def values(self) -> tuple[float, ...]:
        """What each answer counts in a score."""
        first = self.scale[0] if self.scale is not None else 0
        return tuple(float(first + place) for place in range(len(self.classes)))

    @property
    def noisy(self) -> tuple[str, ...]:
        """The answers that mean noise."""
        return self.noise or (self.classes[0 if self.keep == "high" else -1],)

    @property
    def columns(self) -> dict[str, str]:
        """Column of the table of scores -> which of its values are kept."""
        scored = {"score": self.keep} if self.ordered else {}
        return {**scored, "posterior": "high", "n": "high", "agreed": "high"}
