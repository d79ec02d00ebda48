"""Indicators: pure functions from tables to one column of floats. ``FAMILIES`` lists them by score table.

A new text indicator is a function in a file of ``text/`` and a line in ``text/__init__.py``; nothing else knows it.
"""

from types import MappingProxyType

from datasel_assets.indicators.base import Indicator, indicator
from datasel_assets.indicators.neighbours import NEIGHBOURS
from datasel_assets.indicators.text import TEXT, inputs_of
from datasel_assets.indicators.text.frequency import FREQUENCY
from datasel_assets.indicators.verify import VERIFY

FAMILIES: MappingProxyType[str, dict[str, Indicator]] = MappingProxyType(
    {
        # Those that need counts of a pool or a target beside the text have tables of their own.
        "text": {found.name: found for found in TEXT if not inputs_of(found)},
        "frequency": FREQUENCY,
        "neighbours": NEIGHBOURS,
        "verify": VERIFY,
    }
)
"""Family (a score table, and the first part of a score's name in a recipe) -> name -> indicator."""

__all__ = ["FAMILIES", "Indicator", "indicator"]
