"""Which tables a file in ``loops/`` means, by the kind that it says.

Belongs here: the list of kinds. Does not: any kind (one file each beside this one).
"""

from collections.abc import Callable, Mapping

from datasel_assets.registry.registry import Registry
from datasel_assets.specs.loop import DiverseEvolSpec, LeadSpec, LoopSpec, MatesSpec, QuadSpec, WarmUpSpec
from datasel_assets.tables.loops.diverse_evol import diverse_evol_tables
from datasel_assets.tables.loops.lead import lead_tables
from datasel_assets.tables.loops.mates import mates_tables
from datasel_assets.tables.loops.quad import quad_tables
from datasel_assets.tables.loops.warm_up import warm_up_tables
from datasel_assets.tables.table import Graph, Table

TABLES: Mapping[type[LoopSpec], Callable[[str, Registry, Graph], list[Table]]] = {
    QuadSpec: quad_tables,
    LeadSpec: lead_tables,
    WarmUpSpec: warm_up_tables,
    DiverseEvolSpec: diverse_evol_tables,
    MatesSpec: mates_tables,
}


def loop_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the tables of ``loops/<name>.yaml``, upstream first."""
    return TABLES[type(registry.loops[name])](name, registry, graph)
