"""What would have to be different for a recipe to decide otherwise about a row, in words.

Belongs here: what follows from the decision and the recipe. Does not: deciding (``interpreter``); nothing is run again,
so whatever else would change with it is left aside, and ``rethreshold`` says what really comes out.
"""

import re
from collections.abc import Mapping
from typing import Any

from datasel_assets.specs.recipe import DropRule, RecipeSpec

COPIES = ("duplicate", "near duplicate", "semantic duplicate")


def flip(
    decision: Mapping[str, Any],
    spec: RecipeSpec | None,
    values: Mapping[str, float | None],
    kept: int,
    left: float | None = None,
) -> str:
    """Return what would turn the decision about a row, or an empty text where that cannot be said.

    Args:
        decision: a line of ``ledger.DECISIONS_SCHEMA``.
        spec: the recipe; None where there is no such file any more.
        values: score -> its value for the row, of those that are known.
        kept: how many rows the recipe kept.
        left: the largest margin of the rows that its budget left out; None where there is none.
    """
    stage, margin, rank = decision["stage"], decision["margin"], decision["rank"]
    if stage == "contaminated":
        return "nothing in a recipe: no release holds an item of an evaluation; contamination_review may clear the row"
    if stage in COPIES:
        return f"without {decision['duplicate_of'] or 'the row that stands for it'}, or without the rule against copies"
    if stage == "ineligible":
        return "the input that the sampler lacks for it"
    if found := re.fullmatch(r"rule:(\d+)", stage):
        number = int(found[1])
        return _of_rule(spec.drop[number - 1], values) if spec and number <= len(spec.drop) else ""
    if found := re.fullmatch(r"narrow:(\d+)", stage):
        return f"a larger 'take' in narrowing step {found[1]}, or a better place in its order"
    if stage == "source cap":
        return f"a larger maximum for source {decision['source']}"
    if stage == "kept":
        ends = f"a budget that ends before place {rank:,}" if rank else ""
        return " or ".join(filter(None, (_fall(margin, left, spec), ends)))
    if stage == "budget":
        parts = [f"a score higher by {-margin:.4g}"] if margin is not None else []
        if rank and rank > kept:
            parts.append(f"a budget that reaches place {rank:,} (it took {kept:,} rows)")
        return " or ".join(parts) or "a larger budget"
    return ""


def _fall(margin: float | None, left: float | None, spec: RecipeSpec | None) -> str:
    """Return how far the score of a kept row must fall.

    One that falls below the lowest kept score is the last one kept; it leaves when it falls below the best one that was
    left out. Which one that is among rows of the same group or query the ledger does not say.
    """
    if margin is None or left is None:
        return ""
    apart = spec is None or spec.select.groups is not None or spec.select.target is not None
    return f"a score lower by at least {margin:.4g}" if apart else f"a score lower by more than {margin - left:.4g}"


def _of_rule(rule: DropRule, values: Mapping[str, float | None]) -> str:
    if rule.source is not None:
        return "leaving its source out of the rule"
    if rule.score is None:
        return f"values for which this is not true: {rule.where}"
    value = values.get(rule.score)
    if value is None:
        return f"a value of {rule.score}"
    for side, bound in (("below", rule.below), ("above", rule.above)):
        if bound is not None and (value < bound if side == "below" else value > bound):
            return f"{side}: {value:.6g} instead of {bound:g}, or {rule.score} changed by {abs(bound - value):.4g}"
    return f"another share in the rule on {rule.score}"
