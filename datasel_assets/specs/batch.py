"""Several questions in one request, with a few answered examples: parts of a file in ``answers/``.

Belongs here: the description. Does not: which questions go together (``batching``), prompts (``answers``).
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from datasel_assets.schema import Slug, StrictModel


class BatchSpec(StrictModel, frozen=True):
    """Several questions in one request (BATCHER, arXiv 2312.03987): the instructions are paid for once.

    Attributes:
        size: questions of a request at most.
        by: ``random``; ``similarity``: rows that are alike together; ``diversity``: rows that are unlike each other
            together, which BATCHER found best.
        representation: whose vectors say what is alike; goes with the last two.
    """

    size: Annotated[int, Field(ge=2, le=64)] = 8
    by: Literal["random", "similarity", "diversity"] = "diversity"
    representation: Slug | None = None

    @model_validator(mode="after")
    def _something_to_be_alike_in(self) -> "BatchSpec":
        if (self.by == "random") != (self.representation is None):
            raise ValueError("'representation' goes with 'by: similarity' and 'by: diversity', and they with it")
        return self


class DemonstrationsSpec(StrictModel, frozen=True):
    """Rows with their right replies that a request shows before it asks.

    Attributes:
        source: a file of ``labels/`` or of ``answers/``, whose answers about rows are taken for right. What people say
            must be a reply that this file can read.
        choose: ``covering``: as few as have one within reach of every question, and for each request the shortest that
            do; ``topk_batch``: the ``k`` nearest to any question of the request; ``topk_question``: the nearest of
            each question; ``fixed``: the same ``k`` for all. A row is never an example for itself.
        k: examples of ``fixed`` and ``topk_batch``.
        representation: whose vectors say what is near.
        most: examples that are chosen from at most, by the hash of their ids.
    """

    source: Annotated[Slug, Field(alias="from")]
    choose: Literal["covering", "topk_batch", "topk_question", "fixed"] = "covering"
    k: Annotated[int, Field(ge=1, le=64)] = 8
    representation: Slug
    most: Annotated[int, Field(ge=1, le=20_000)] = 2000
