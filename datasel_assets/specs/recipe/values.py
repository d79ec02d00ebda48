"""Values that several parts of a recipe hold: counts, shares, names of scores. Not here: any part of a recipe."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

ScoreColumn = Literal["n_tokens", "n_response_tokens", "n_chars", "response_chars", "prompt_chars", "n_turns"]
"""Columns that the pool has without any indicator."""

Count = Annotated[int, Field(gt=0, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
PositiveShare = Annotated[float, Field(gt=0, le=1, strict=True)]

_REFERENCE = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*")


def score_name(name: str) -> str:
    """Return ``name``.

    Raises:
        ValueError: it is neither a column nor of the form ``<family>.<indicator>``.
    """
    if name not in get_args(ScoreColumn) and not _REFERENCE.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a score: allowed are {', '.join(get_args(ScoreColumn))}, "
            "or <family>.<indicator> such as text.response_mtld"
        )
    return name


ScoreName = Annotated[str, AfterValidator(score_name)]
"""A column of the pool, or ``<family>.<indicator>``; whether the family and the indicator exist is checked later."""
