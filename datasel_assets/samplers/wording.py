"""How a decision puts in words why a sampler gave a row its place.

Belongs here: what a sampler may say of its scores. Does not: the sentence around it (``recipes.ledger``).

A sampler whose scores are more than a number has a constant ``WORDING``, or a property ``wording`` of its ``Params``
where it depends on these; without either its rows are told by the column that orders them, or by their score.
"""

from dataclasses import dataclass, replace
from typing import Any

from datasel_assets.samplers.names import SAMPLERS


@dataclass(frozen=True)
class Wording:
    """Ends of the sentence ``ranked 3rd of 100 ...``. Fields in braces are filled in for each row.

    ``{by}``: the column that orders the rows; ``{value}``: its value; ``{score}``: the score with four decimals;
    ``{figures}``: the same with four significant figures; ``{count}``: the same as a whole number; ``{query}``: the
    query that took the row or came nearest to it; ``{seed}``: the seed of the recipe.

    Attributes:
        kept: of rows that are selected; None: by the column that orders the rows, or by the score where there is none.
        left: of rows that are not selected; None: as ``kept``.
        unranked: of rows that the sampler did not rank; None: as ``left``.
        by_score: whether the rows come in the order of their scores; otherwise no score parts the rows that were taken
            from the others.
    """

    kept: str | None = None
    left: str | None = None
    unranked: str | None = None
    by_score: bool = True


def wording_of(name: str, params: Any) -> Wording:
    """Return the wording of a sampler: that of the one inside, where there is one."""
    own = getattr(params, "wording", None) or getattr(SAMPLERS[name], "WORDING", Wording())
    inner = getattr(params, "inner", None)
    if inner is None:
        return own
    inside = wording_of(inner.sampler, inner.params)
    return replace(inside, by_score=own.by_score and inside.by_score)
