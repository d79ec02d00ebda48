"""The plan of a main job: made when there is something to do, held against the limits, kept for its steps.

Belongs here: when it is made. Does not belong here: what it says (``tables.costs``).
"""

import threading
from collections.abc import Callable, Sequence

from datasel_assets.costs.limits import require_within
from datasel_assets.costs.plan import Plan
from datasel_assets.registry.load import COMPUTE_FILE
from datasel_assets.tables.costs.kept import keep_plan
from datasel_assets.tables.costs.planned import plan_run
from datasel_assets.tables.planning import EVERYTHING, Only
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse


class PlannedRun:
    """Makes the plan of a run the first time that one asks for it; several threads may."""

    def __init__(
        self,
        open_warehouse: Callable[[], Warehouse],
        tables: Sequence[Table],
        on_plan: Callable[[Plan], None],
        only: Only = EVERYTHING,
    ) -> None:
        self._open, self._tables, self._on_plan, self._only = open_warehouse, tables, on_plan, only
        self._lock, self._name = threading.Lock(), ""

    def name(self) -> str:
        """Return the name of the plan, made and kept the first time.

        Raises:
            AboveLimitsError: the plan is above a limit of ``compute.yaml``: nothing of it may begin.
        """
        with self._lock:
            if not self._name:
                warehouse = self._open()
                plan = plan_run(warehouse, self._tables, self._only)
                self._on_plan(plan)
                compute = warehouse.registry.compute
                if compute is not None:
                    require_within(plan, compute.limits.model_dump(), COMPUTE_FILE)
                self._name = keep_plan(warehouse.lake, plan)
        return self._name
