"""Bringing every table up to date: phase by phase, making only what is stale, around what failed.

Belongs here: the walk over phases and sources, who is told of it, and what came of it. Does not belong here: which
tables are stale (``planning``), making one (``making``), and the runs that carry it out (``defs.main_job``).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from datasel_assets.costs.plan import Plan
from datasel_assets.tables.planning import EVERYTHING, Only, Phase, Pick, lacks_input, stale
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

Item = TypeVar("Item")

Launch = Callable[[Sequence[Table], str | None], Mapping[str, str]]
"""Makes some tables, of one source or of none; returns what failed, name of the table -> reason."""

OnRun = Callable[[str, str | None, Sequence[Table]], None]
"""Is told of each run: ``start``, ``done`` or ``failed``, for which source, which tables."""


@dataclass
class Outcome:
    """What was done.

    Attributes:
        runs: one entry per launched run, and per table whose inputs cannot be looked at: source or None, names of the
            tables, success, error text.
        checked: number of (table, source) pairs whose state was looked at.
        waiting: tables that were not tried, for want of a table that failed and has never been made.
    """

    runs: list[dict[str, Any]] = field(default_factory=list)
    checked: int = 0
    waiting: list[tuple[Table, str | None]] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Return the runs that failed."""
        return [run for run in self.runs if not run["success"]]

    @property
    def causes(self) -> list[str]:
        """Return what failed and why, each reason once: a line that names the sources, the tables and the cause."""
        alike: dict[str, list[str]] = {}
        for run in self.failures:
            alike.setdefault(run["error"], []).append(run["source"] or "pool")
        return [f"{', '.join(dict.fromkeys(where))}: {error}" for error, where in alike.items()]

    def note(self, source: str | None, names: Sequence[str], failures: Mapping[str, str]) -> None:
        """Keep what came of one run; what failed alike stands together."""
        alike = {why: [name for name in failures if failures[name] == why] for why in failures.values()}
        error = "; ".join(f"{', '.join(tables)}: {why}" for why, tables in alike.items()) or None
        self.runs.append({"source": source, "assets": list(names), "success": error is None, "error": error})


@dataclass(frozen=True)
class Told:
    """Who is told what goes on.

    Attributes:
        on_run: of each run.
        on_end: of the outcome.
        on_wait: that somebody else is waited for, and why.
        on_plan: of what will be done, before it begins; not where there is nothing to do.
    """

    on_run: OnRun = lambda state, source, tables: None
    on_end: Callable[[Outcome], None] = lambda outcome: None
    on_wait: Callable[[str], None] = lambda what: None
    on_plan: Callable[[Plan], None] = lambda plan: None


NOBODY = Told()


def refresh(
    tables: Sequence[Table],
    open_warehouse: Callable[[], Warehouse],
    sources: Sequence[str],
    launch: Launch,
    *,
    on_run: OnRun = NOBODY.on_run,
    at_once: int = 1,
    only: Only = EVERYTHING,
) -> Outcome:
    """Make what is stale, upstream first, and go on around what fails.

    A table that cannot be made (unreadable file, absent model, too many bad rows) stays as it was and stops only what
    needs it and finds none from before; its failure is in the outcome.

    Args:
        tables: all there are; those that are made on request only are left alone.
        open_warehouse: opens the data folder, whose files may change meanwhile.
        sources: names of the sources.
        launch: makes tables.
        on_run: is told of each launch.
        at_once: of how many sources at a time.
        only: what of it is made.
    """
    outcome = Outcome()
    broken: set[Pick] = set()
    regular = {table.key: table for table in tables if not table.on_demand}

    def bring_up_to_date(phase: Phase, source: str | None) -> None:
        failed = True
        while failed:
            warehouse = open_warehouse()
            for table in phase.tables:
                if (table.key, source) not in broken and lacks_input(
                    table, source, regular, sources, broken, warehouse.lake
                ):
                    broken.add((table.key, source))
                    outcome.waiting.append((table, source))
            todo, failures = stale(phase, warehouse, source, broken)
            for name, error in failures.items():
                outcome.runs.append({"source": source, "assets": [name], "success": False, "error": error})
            if todo and not failures:
                failures = _told(launch, todo, source, on_run)
                outcome.note(source, [table.name for table in todo], failures)
            # The rest is planned again without what failed, which must not keep its siblings' readers from running.
            failed = {(table.key, source) for table in phase.tables if table.name in failures}
            broken.update(failed)

    for phase in only.phases(tables):
        places = only.of(sources) if phase.per_source else [None]
        side_by_side(partial(bring_up_to_date, phase), places, at_once)
        outcome.checked += len(phase.tables) * len(places)
    return outcome


def make_each(
    tables: Sequence[Table], warehouse: Warehouse, launch: Launch, *, on_run: OnRun = NOBODY.on_run
) -> Outcome:
    """Make each of some tables of the whole pool that is not current, one launch for each."""
    outcome = Outcome(checked=len(tables))
    for table in tables:
        try:
            if table.is_current(warehouse, None):
                continue
        except Exception as error:  # what it is made from cannot be looked at
            outcome.runs.append({"source": None, "assets": [table.name], "success": False, "error": str(error)})
            continue
        failures = _told(launch, [table], None, on_run)
        error = "; ".join(failures.values()) or None
        outcome.runs.append({"source": None, "assets": [table.name], "success": error is None, "error": error})
    return outcome


def side_by_side(work: Callable[[Item], None], items: Sequence[Item], at_once: int) -> None:
    """Do the work for each item, ``at_once`` of them at a time; one at a time in this thread, and in order.

    After an error, or an interrupt, no further item is begun; what has begun comes to its end.
    """
    if min(at_once, len(items)) <= 1:
        for item in items:
            work(item)
        return
    pool = ThreadPoolExecutor(at_once, "run")
    try:
        for done in [pool.submit(work, item) for item in items]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _told(launch: Launch, tables: Sequence[Table], source: str | None, on_run: OnRun) -> Mapping[str, str]:
    on_run("start", source, tables)
    failures = launch(tables, source)
    on_run("failed" if failures else "done", source, tables)
    return failures
