"""What a subset is worth. ``OBJECTIVES`` holds the names that YAML may use; a new objective is a class and a line here.

Not here: how the best subset is looked for (``optimisers``).
"""

from datasel_assets.samplers.greedy.objectives.base import Objective
from datasel_assets.samplers.greedy.objectives.cascade import Cascade
from datasel_assets.samplers.greedy.objectives.facility_location import FacilityLocation
from datasel_assets.samplers.greedy.objectives.graph_cut import GraphCut
from datasel_assets.samplers.greedy.objectives.log_det import LogDet
from datasel_assets.samplers.greedy.objectives.saturated_coverage import SaturatedCoverage
from datasel_assets.samplers.greedy.objectives.tag_coverage import TagCoverage

OBJECTIVES: dict[str, type[Objective]] = {
    "facility_location": FacilityLocation,
    "saturated_coverage": SaturatedCoverage,
    "graph_cut": GraphCut,
    "tag_coverage": TagCoverage,
    "log_det": LogDet,
    "cascade": Cascade,
}
"""Objective name in YAML -> class (``objectives.base.Objective``)."""

__all__ = ["OBJECTIVES", "Objective"]
