"""``data/answers/*.yaml``: what is asked about rows, of whom, about which rows, and what it may cost.

Belongs here: the description. Does not: prompts and replies (``specs.ask``, ``answers``), asking (``models``), the
tables (``tables.answers``).
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from datasel_assets.schema import Slug, StrictModel
from datasel_assets.specs.ask import AskSpec
from datasel_assets.specs.batch import BatchSpec, DemonstrationsSpec
from datasel_assets.specs.encoder import Precision
from datasel_assets.specs.labels import PeopleSpec

MODEL_KEYS = frozenset(
    {"samples", "temperature", "again", "limits", "price", "pairs", "batch", "demonstrations", "distil", "replies_of"}
)
"""Keys of a file that go with a model."""
REPLIED = frozenset({"samples", "temperature", "price", "distil"})
"""Those of them that go with replies that are there already."""


class EndpointSpec(StrictModel, frozen=True):
    """A language model behind an address that speaks the protocol of OpenAI: vLLM, llama.cpp, ``transformers serve``.

    Attributes:
        endpoint: the address up to ``/v1``. No key belongs in it.
        model: name of the model there.
        key_env: the environment variable that holds the key; None where none is needed.
        api: ``chat`` completions, or ``completions`` of a plain text for models without a chat template.
        concurrency: requests that wait for an answer at the same time.
        requests_per_minute: no more are sent; None: as many as there are.
        tokens_per_minute: estimated tokens of prompt and reply that are sent within a minute.
        timeout: seconds until a request counts as lost.
        tries: how often a request is sent until its failure counts; waits grow from one to the next, and are as long
            as the server asks.
        reply_bytes: a longer reply is broken off and counts as failed.
        json_schema: ask the server to keep to the form of the reply (``response_format``), where it is JSON.
    """

    endpoint: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    api: Literal["chat", "completions"] = "chat"
    concurrency: Annotated[int, Field(ge=1, le=512)] = 16
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    timeout: Annotated[float, Field(gt=0)] = 120.0
    tries: Annotated[int, Field(ge=1, le=20)] = 6
    reply_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    json_schema: bool = False

    @field_validator("endpoint")
    @classmethod
    def _plain_address(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must be an address such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "an address with a name, a key or a query would be written into tables; name an environment variable "
                "under 'key_env'"
            )
        return endpoint.rstrip("/")

    @property
    def called(self) -> str:
        """The model, as replies are kept under."""
        return self.model

    def decides(self) -> dict[str, object]:
        """Return what of it decides an answer, for the keys of kept replies: another address is the same model."""
        return {"model": self.model, "api": self.api, "json_schema": self.json_schema}


class LocalSpec(StrictModel, frozen=True):
    """A causal language model in this process.

    Attributes:
        local: a file of ``language_models/``. One that is trained on the pool is no judge: it is for trying out.
        token_budget: tokens of one batch, prompts and replies; None for the default of the device.
    """

    local: Slug
    token_budget: Annotated[int, Field(ge=1)] | None = None

    @property
    def called(self) -> str:
        """The model, as pages name it."""
        return self.local


class RewardSpec(StrictModel, frozen=True):
    """A reward model in this process: a sequence classifier with one head, which gives a conversation a number.

    Attributes:
        reward: a local folder, or a name on the Hugging Face hub.
        revision: branch, tag or commit on the hub.
        precision: ``auto`` is bfloat16 where the device computes it natively, else float32.
        token_budget: tokens of one batch; None for the default of the device.
    """

    reward: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    precision: Precision = "auto"
    token_budget: Annotated[int, Field(ge=1)] | None = None

    @property
    def called(self) -> str:
        """The model, as pages name it."""
        return self.reward


class StoredSpec(StrictModel, frozen=True):
    """Replies that are there already, such as those of a batch service or of another machine: nobody is asked.

    Attributes:
        stored: the files of replies: a path from the data folder, or a pattern. They are JSON Lines: ``reply`` and
            ``row_id`` or ``content_hash``, and ``turn``, ``step``, ``question``, ``sample``, ``logprobs``,
            ``tokens_in``, ``tokens_out`` and ``seconds`` where there are any. Rows without a line are not asked about.
        model: who replied.
    """

    stored: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]

    @property
    def called(self) -> str:
        """The model, as pages name it."""
        return self.model


class AskedPeopleSpec(PeopleSpec, frozen=True):
    """People, who are asked as by a file in ``labels/``.

    Attributes:
        people: what they are asked about each row; what can be answered is told by the reply of ``ask``.
    """

    people: Annotated[str, Field(min_length=1)]


class AskedRows(StrictModel, frozen=True):
    """Which rows are asked about: all of them, or those that pass every key that is given.

    Attributes:
        sources: only rows of these.
        recipe: only rows that this recipe selected.
        categories: a file of ``categories/``; goes with ``among``.
        among: only rows of these of its categories.
        score: only rows with this score between ``low`` and ``high``.
        low: least score.
        high: greatest score.
        sample: only so many of what is left, by the hash of their ids: rows that come later push few others out.
        seed: another seed, another sample.
    """

    sources: tuple[Slug, ...] | None = None
    recipe: Slug | None = None
    categories: Slug | None = None
    among: tuple[str, ...] | None = None
    score: str | None = None
    low: float | None = None
    high: float | None = None
    sample: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, strict=True)] = 0

    @model_validator(mode="after")
    def _together(self) -> "AskedRows":
        if (self.score is None) != (self.low is None and self.high is None):
            raise ValueError("'score' goes with 'low' or 'high', and they with it")
        if (self.categories is None) != (self.among is None):
            raise ValueError("'categories' goes with 'among': a file of categories/ and those of its categories")
        return self


class LimitsSpec(StrictModel, frozen=True):
    """What asking may take; nothing is sent when the plan is above one of them, and asking stops when one is reached.

    Attributes:
        rows: asked about.
        tokens: of prompts and replies together.
        money: in the currency of the prices.
        minutes: of one run.
    """

    rows: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    money: Annotated[float, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None


class PriceSpec(StrictModel, frozen=True):
    """Prices for a million tokens.

    Attributes:
        tokens_in: of prompts.
        tokens_out: of replies.
    """

    tokens_in: Annotated[float, Field(ge=0)] = 0.0
    tokens_out: Annotated[float, Field(ge=0)] = 0.0

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Return what so many tokens cost."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


class PairsSpec(StrictModel, frozen=True):
    """Which pairs are asked about.

    Attributes:
        of: ``rings``: rows are compared, and each gets a strength; ``near_duplicates``: whether two rows are the same,
            of the pairs that ``near.adjudicate`` of ``duplicates.yaml`` asks about. The most alike ones come first, and
            what follows from the answers is not asked: what equals one of two equal rows equals the other.
        rings: each is a closed ring through all rows in a random order, so that every row is compared with all others
            by some way; a row is in two pairs of each ring.
        swap: ask each pair in both orders, because judges prefer a place.
        ridge: penalty on the squared strengths; it keeps those of rows that always win finite.
    """

    of: Literal["rings", "near_duplicates"] = "rings"
    rings: Annotated[int, Field(ge=1, le=100)] = 2
    swap: bool = True
    ridge: Annotated[float, Field(gt=0)] = 0.01


class DistilSpec(StrictModel, frozen=True):
    """A linear model that is fitted to the answers and scores all rows: the columns ``distilled_<column>``.

    Attributes:
        representation: whose vectors it sees.
        folds: parts that are left out in turn, for the error on rows that were not seen.
    """

    representation: Slug
    folds: Annotated[int, Field(ge=2, le=100)] = 5


class AnswersSpec(StrictModel, frozen=True):
    """Questions about rows that somebody answers; its file name is the family of its scores (``quality.score``).

    Attributes:
        doc: what it is for.
        ask: the name of a shipped prompt, or a prompt of your own with the way its replies are read.
        provider: who is asked: ``{endpoint: ..., model: ...}``, ``{local: ...}``, ``{reward: ...}``,
            ``{people: ...}``; or nobody, because the replies are there: ``{stored: ..., model: ...}``.
        rows: which rows are asked about.
        replies_of: a file of ``answers/`` whose replies stand in the place of the rows' own answers: what a model
            answers itself is judged (MoDS). Rows without such a reply are not asked about.
        samples: answers to each question; more than one only with a temperature.
        temperature: 0: the likeliest answer.
        seed: sent along, and another seed asks anew.
        again: a reply that cannot be read is asked for again at most so often, with what was wrong with it.
        limits: what asking may take.
        price: of tokens, where they cost something.
        pairs: which pairs, where the prompt is about pairs.
        batch: several questions in one request.
        demonstrations: answered rows that a request shows.
        distil: a linear model of the answers for the rows that were not asked about.
    """

    doc: str = ""
    ask: Slug | AskSpec
    provider: EndpointSpec | LocalSpec | RewardSpec | StoredSpec | AskedPeopleSpec
    rows: AskedRows = AskedRows()
    replies_of: Slug | None = None
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    again: Annotated[int, Field(ge=0, le=10)] = 1
    limits: LimitsSpec = LimitsSpec()
    price: PriceSpec = PriceSpec()
    pairs: PairsSpec | None = None
    batch: BatchSpec | None = None
    demonstrations: DemonstrationsSpec | None = None
    distil: DistilSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _nobody_to_ask_again(cls, values: Any) -> Any:
        provider = values.get("provider") if isinstance(values, dict) else None
        return {"again": 0, **values} if isinstance(provider, dict) and "stored" in provider else values

    @model_validator(mode="after")
    def _consistent(self) -> "AnswersSpec":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples: several likeliest answers are the same one; give a 'temperature' above 0")
        if self.adjudicates and (
            stray := sorted({"rows", "distil", "demonstrations", "replies_of"} & self.model_fields_set)
        ):
            raise ValueError(f"{stray[0]}: 'pairs: {{of: near_duplicates}}' asks about pairs of its own; leave it out")
        if isinstance(self.provider, RewardSpec):
            if stray := sorted((MODEL_KEYS - {"limits", "distil", "replies_of"}) & self.model_fields_set):
                raise ValueError(f"{stray[0]}: a reward model gives one number and reads no prompt; leave it out")
            if self.ask != "reward":
                raise ValueError("ask: a reward model is asked with the shipped prompt 'reward'")
        given = self.model_fields_set - ({"again"} if self.again == 0 else set())
        if self.is_stored and (stray := sorted((MODEL_KEYS - REPLIED) & given)):
            raise ValueError(f"{stray[0]}: the replies are there, and nobody is asked; leave it out")
        if isinstance(self.provider, AskedPeopleSpec) and (stray := sorted(MODEL_KEYS & self.model_fields_set)):
            raise ValueError(f"{stray[0]}: people are asked otherwise than a model; leave it out")
        return self

    @property
    def is_stored(self) -> bool:
        """Whether the replies are there, so that nobody is asked and nothing waits for it."""
        return isinstance(self.provider, StoredSpec)

    @property
    def adjudicates(self) -> bool:
        """Whether it says which rows are near duplicates, and makes no scores."""
        return self.pairs is not None and self.pairs.of == "near_duplicates"

    @property
    def together(self) -> bool:
        """Whether a request is more than a question: it holds several of them, or shows examples."""
        return self.batch is not None or self.demonstrations is not None
