"""The family ``verify``: whether an answer is what its question asks for, as far as a program can tell without a model.

Belongs here: the list of verifiers. Does not: any of them; each concept has a file of its own beside this one.
"""

from datasel_assets.indicators.base import Indicator
from datasel_assets.indicators.verify.arithmetic import arithmetic_wrong
from datasel_assets.indicators.verify.choices import choice_missed
from datasel_assets.indicators.verify.code import code_invalid
from datasel_assets.indicators.verify.constraints import constraints_missed
from datasel_assets.indicators.verify.exchange import exchanges
from datasel_assets.indicators.verify.given_text import text_missing
from datasel_assets.indicators.verify.json_asked import json_invalid
from datasel_assets.indicators.verify.leftovers import template_left
from datasel_assets.indicators.verify.refusal import refusal
from datasel_assets.indicators.verify.unfinished import unfinished_end

VERIFY: dict[str, Indicator] = {
    found.name: found
    for found in (
        arithmetic_wrong,
        choice_missed,
        code_invalid,
        constraints_missed,
        json_invalid,
        refusal,
        template_left,
        text_missing,
        unfinished_end,
    )
}
"""Name -> verifier; each takes the exchanges of n conversations."""

__all__ = ["VERIFY", "exchanges"]
