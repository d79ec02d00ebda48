"""``data/extractions/*.yaml``: which documents are read, and what is drawn out of them. Not here: reading them."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from datasel_assets.documents.rules import RULES
from datasel_assets.schema import Slug, StrictModel, suggestion
from datasel_assets.specs.answers import EndpointSpec, LimitsSpec, LocalSpec, PriceSpec
from datasel_assets.specs.encoder import DEFAULT_MODEL, EncoderSpec
from datasel_assets.specs.loop.bandit import UcbSpec


class WarmUpSpec(StrictModel, frozen=True):
    """How vectors of documents and of the rows in them are brought together before anything is chosen.

    One linear map of both is learned such that a document is nearer to its own rows than to those of others (InfoNCE).

    Attributes:
        share: of the documents, by a hash of their ids, that it is learned from; they count as read.
        dims: numbers of a mapped vector; at most those of the encoder.
        steps: of the training, at most: it ends when documents that it does not see no longer find their rows better.
        temperature: of the comparison.
        rate: of a step.
    """

    share: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    dims: Annotated[int, Field(ge=2)] = 128
    steps: Annotated[int, Field(ge=1)] = 200
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001


class ExtractorSpec(StrictModel, frozen=True):
    """A model that draws rows in the place of rules, with a second pass over what it has drawn.

    Attributes:
        provider: the model: ``{endpoint: ..., model: ...}``, or ``{local: ...}`` with a file of ``language_models/``
            that is not trained on the pool.
        refine: whether it goes through its own rows once more.
        most: rows of a document at most.
        max_chars: documents are cut in the middle to this length.
        max_reply_tokens: length of a reply.
        again: a reply that cannot be read is asked for again at most so often; then the document gives no rows.
        limits: what it may take in all; ``rows`` counts for nothing here, ``budget`` says how many documents are read.
        price: of tokens.
    """

    provider: EndpointSpec | LocalSpec
    refine: bool = True
    most: Annotated[int, Field(ge=1, le=100)] = 8
    max_chars: Annotated[int, Field(ge=100)] = 12_000
    max_reply_tokens: Annotated[int, Field(ge=16, le=32_768)] = 1500
    again: Annotated[int, Field(ge=0, le=10)] = 1
    limits: LimitsSpec = LimitsSpec()
    price: PriceSpec = PriceSpec()


class ExtractionSpec(StrictModel, frozen=True):
    """Rows drawn out of those documents whose rows are like a target, most documents unread (EQUAL).

    Documents are clustered by their vectors. A bandit chooses clusters; a few documents of each are read, and the more
    the rows drawn out of them are like the target, the sooner the next are read. ``uri: extraction:<name>`` in a file
    of ``sources/`` makes the rows part of the pool.

    Attributes:
        doc: what it is for.
        documents: files of ``documents/``.
        target: a file of ``targets/`` that the rows shall be like.
        rules: what rows are drawn by; all rules where it is left out.
        extractor: a model that draws them instead.
        encoder: what documents, rows and the target are compared by; the last of its layers counts.
        warm_up: how documents and rows are brought together first, or ``off``.
        clusters: how many there are; ``auto``: a twentieth of the documents, at most 1,000.
        arms: clusters that are tried in one round.
        probe: documents of a cluster that are read in one try.
        at: rows that are compared with as many of the target; fewer rows of a try are compared with fewer.
        bandit: how clusters are chosen; ``neighbours`` is a squared 2-Wasserstein distance here.
        budget: share of the documents that are read at most, those of the warm-up included.
        seed: another seed, another order.
        paper: where it comes from.
    """

    doc: str = ""
    documents: Annotated[tuple[Slug, ...], Field(min_length=1)]
    target: Slug
    rules: tuple[str, ...] = tuple(RULES)
    extractor: ExtractorSpec | None = None
    encoder: EncoderSpec = EncoderSpec(model=DEFAULT_MODEL, max_tokens=256, layers="last")
    warm_up: WarmUpSpec | Literal[False] = WarmUpSpec()
    clusters: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    arms: Annotated[int, Field(ge=1)] = 2
    probe: Annotated[int, Field(ge=1)] = 10
    at: Annotated[int, Field(ge=1, le=500)] = 20
    bandit: UcbSpec = UcbSpec()
    budget: Annotated[float, Field(gt=0, le=1)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    paper: str = "Not All Documents Are What You Need (EQUAL, arXiv 2505.12250)"

    @field_validator("rules")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in RULES:
                allowed = ", ".join(RULES)
                raise ValueError(f"{name!r} is not a rule{suggestion(name, list(RULES))} Allowed: {allowed}")
        if not value or len(set(value)) != len(value):
            raise ValueError(f"give at least one of {', '.join(RULES)}, each once")
        return value

    @model_validator(mode="after")
    def _rules_or_a_model(self) -> "ExtractionSpec":
        if self.extractor and "rules" in self.model_fields_set:
            raise ValueError("rows are drawn by 'rules' or by an 'extractor'; leave one of them out")
        return self
