"""The sides of a conversation that most text indicators are computed for."""

from datasel_assets.indicators.base import Part

BOTH: tuple[Part, ...] = ("prompt", "response")
