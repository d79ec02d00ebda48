"""``kind: diverse_evol``: rows far from those chosen, as a model that learns them sees them. Not here: k-center."""

from typing import Annotated, Literal

from pydantic import Field

from datasel_assets.specs.loop.trained import TrainedLoopSpec


class DiverseEvolSpec(TrainedLoopSpec, frozen=True):
    """A selection that alternates between training and looking, in ``loops/<name>.yaml``.

    Attributes:
        kind: ``diverse_evol``.
        first: rows that it begins with, by the hash of their id.
        per_round: rows that each round adds.
        rounds: trainings.
        epochs: how often each chosen row is seen in one of them.
        fresh: each training begins with the first model, as published; else it goes on from the last.
        candidates: rows of the pool, by the hash of their id, that may be chosen; all of them are read in each round.
    """

    kind: Literal["diverse_evol"]
    first: Annotated[int, Field(ge=1)] = 100
    per_round: Annotated[int, Field(ge=1)] = 100
    rounds: Annotated[int, Field(ge=1)] = 9
    epochs: Annotated[int, Field(ge=1)] = 3
    fresh: bool = True
    candidates: Annotated[int, Field(ge=2)] = 5000
    paper: str = "Self-Evolved Diverse Data Sampling (DiverseEvol, arXiv 2311.08182)"
