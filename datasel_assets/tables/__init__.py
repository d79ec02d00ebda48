"""What each table is and how it is made, without an orchestrator.

Belongs here: one folder per group of tables, and what all tables share. Does not belong here: Dagster (``defs``), and
mathematics, which lives in the pure folders. :func:`make` makes any table from Python:

>>> from datasel_assets.tables import make, open_warehouse
>>> warehouse = open_warehouse("data")  # doctest: +SKIP
>>> make(warehouse, "corpus", source="arithmetic", upstream=True)  # doctest: +SKIP
"""

from datasel_assets.tables.making import make
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse, open_warehouse

__all__ = ["Built", "Check", "Step", "Table", "Warehouse", "make", "open_warehouse"]
