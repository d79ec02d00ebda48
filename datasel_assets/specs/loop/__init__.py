"""``data/loops/*.yaml``: selections that are made in rounds, each by what the rounds before have taught.

Belongs here: what such a file may say, one file of this folder for each kind, and the list of kinds. Does not: carrying
a loop out (``tables.loops``), the bandits (``bandits``).

Another kind is a ``LoopBase`` in a file of its own, its name in ``LoopSpec`` and ``LOOPS``, and a module in
``tables/loops/`` with a line in ``tables/loops/loops.py``. What recipes read of any of them is the score
``loops.<name of the file>``, and the words beside it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from datasel_assets.specs.loop.diverse_evol import DiverseEvolSpec
from datasel_assets.specs.loop.lead import LeadSpec
from datasel_assets.specs.loop.mates import MatesSpec
from datasel_assets.specs.loop.quad import QuadSpec
from datasel_assets.specs.loop.warm_up import WarmUpSpec

FAMILY = "loops"
"""The first part of the name of the score of a loop."""

LoopSpec = QuadSpec | LeadSpec | WarmUpSpec | DiverseEvolSpec | MatesSpec
"""What a file in ``loops/`` may hold."""

LOOPS: Mapping[str, type[LoopSpec]] = MappingProxyType(
    {
        "quad": QuadSpec,
        "lead": LeadSpec,
        "warm_up": WarmUpSpec,
        "diverse_evol": DiverseEvolSpec,
        "mates": MatesSpec,
    }
)
"""``kind`` in YAML -> what the file says."""

__all__ = [
    "FAMILY",
    "LOOPS",
    "DiverseEvolSpec",
    "LeadSpec",
    "LoopSpec",
    "MatesSpec",
    "QuadSpec",
    "WarmUpSpec",
]
