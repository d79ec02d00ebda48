"""Which phrases of a pool become tags, in a file of ``tags/``. Not here: finding them (``corpus.phrases``)."""

from typing import Annotated

from pydantic import Field

from datasel_assets.schema import StrictModel


class PhraseSpec(StrictModel, frozen=True):
    """Which phrases become tags.

    Attributes:
        max_tags: tags of a row, those that say most about it.
        max_share: share of the pool in which a phrase may stand; above it a phrase tells rows apart no more.
        cohesion: least normalised pointwise mutual information (-1 to 1) of the parts of a phrase of several words.
        max_chars: characters that are read of an instruction.
    """

    max_tags: Annotated[int, Field(ge=1, le=50)] = 6
    max_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    cohesion: Annotated[float, Field(ge=-1, le=1)] = 0.3
    max_chars: Annotated[int, Field(ge=20)] = 1000
