"""Where units of work are carried out. Does not belong here: what a unit is, and which are needed (``tables``)."""

from datasel_assets.compute.choice import chosen, mapper_of
from datasel_assets.compute.local import LocalMapper
from datasel_assets.compute.ray_mapper import RayMapper
from datasel_assets.compute.units import ClusterError, Done, LostUnitsError, ShardMapper, Unit

__all__ = [
    "ClusterError",
    "Done",
    "LocalMapper",
    "LostUnitsError",
    "RayMapper",
    "ShardMapper",
    "Unit",
    "chosen",
    "mapper_of",
]
