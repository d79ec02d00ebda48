"""``data/proxy_eval.yaml``: how selections are tried out by training a small model on them."""

from typing import Annotated

from pydantic import Field

from datasel_assets.schema import Slug, StrictModel


class ProxyEvalSpec(StrictModel, frozen=True):
    """How selections are evaluated by short trainings, one per arm and seed; the defaults hold when there is no file.

    Attributes:
        model: a file name of ``language_models/`` with a proxy, the common start; None: the one that ``defaults.yaml``
            names, or the only one.
        seeds: repetitions of every arm.
        epochs: how often the rows of the selection are seen; every arm is trained on as many tokens.
        batch_tokens: tokens of one step.
        learning_rate: the highest one.
        warmup: share of the steps in which it rises.
        held_out_rows: at most so many held-out rows of each source.
        full_pool: whether there is also an arm that draws from the whole pool.
    """

    model: Slug | None = None
    seeds: Annotated[int, Field(ge=2, le=20)] = 3
    epochs: Annotated[float, Field(gt=0)] = 2.0
    batch_tokens: Annotated[int, Field(ge=8)] = 2048
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    held_out_rows: Annotated[int, Field(ge=1)] = 200
    full_pool: bool = True
