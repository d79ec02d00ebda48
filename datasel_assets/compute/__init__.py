"""Where units of work are carried out. Does not belong here: what a unit is, and which are needed (``tables``)."""

from datasel_assets.compute.local import LocalMapper
from datasel_assets.compute.units import Done, ShardMapper, Unit

__all__ = ["Done", "LocalMapper", "ShardMapper", "Unit"]
