"""The plan of a run: what is to be made, why, and what that is expected to cost.

Belongs here: walking the tables as the main job does, with what is known of their sizes. Does not belong here: what a
step costs (``datasel_assets.costs``), making tables (``making``).

What will be stale once its inputs were made is told from what it reads; a table that then turns out to be what it was
is not made, so that a plan tells the most there is to do. Rows that come in are taken for rows in addition to those
that are there: whether others changed shows only when they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from datasel_assets.costs.known import Expected as ExpectedCost
from datasel_assets.costs.known import KnownCosts, Measured
from datasel_assets.costs.plan import Plan, PlanLine
from datasel_assets.costs.reference import reference
from datasel_assets.costs.step_cost import Cost, Work
from datasel_assets.storage.lake import Key, TableInfo
from datasel_assets.storage.readers.resolve import asks_others
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.corpus.raw_corpus import RAW_CORPUS, take_snapshot
from datasel_assets.tables.costs.sources import SourceSize, ingested_size, sampled_size
from datasel_assets.tables.costs.work import uses_gpu
from datasel_assets.tables.planning import EVERYTHING, Only, Pick, read_of
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

MISSING = "missing"
CODE = "its code or parameters changed"
NAMED = 2
"""Inputs that a reason names."""


def plan_run(warehouse: Warehouse, tables: Sequence[Table], only: Only = EVERYTHING) -> Plan:
    """Return the plan of a run that brings all that is asked for up to date, but for what is made on request."""
    return _Planning(warehouse, tables, only).plan()


@dataclass
class _Planning:
    """A walk over all tables, upstream first."""

    warehouse: Warehouse
    tables: Sequence[Table]
    only: Only = EVERYTHING
    lines: list[PlanLine] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    remade: dict[Pick, int] = field(default_factory=dict)
    """Table -> bytes that it will have."""
    left_out: set[Pick] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sources = sorted(self.warehouse.registry.sources)
        self.by_key = {table.key: table for table in self.tables}
        self.now: dict[str, SourceSize] = {}
        self.then: dict[str, SourceSize] = {}
        for source in self.sources:
            if size := ingested_size(self.warehouse, source):
                self.now[source] = self.then[source] = size
        self.known = KnownCosts(self._measured(), reference())
        self.before_mb = self.known.before_mb(models=any(t.runs_model and not t.on_demand for t in self.tables))
        self.about_rows = {table.key for table in made_from_rows(self.tables)}

    @cached_property
    def gpu(self) -> bool:
        """Whether models run on a GPU here. Asked only where one is run: looking for a GPU loads torch."""
        return uses_gpu(self.warehouse)

    def plan(self) -> Plan:
        for phase in self.only.phases(self.tables):
            for source in self.only.of(self.sources) if phase.per_source else [None]:
                for table in phase.tables:
                    self._look_at(table, source)
        known, steps = reference(), len(self.lines)
        return Plan(self.lines, self.untold, known.between_seconds * steps, known.between_cpu_seconds * steps)

    def _look_at(self, table: Table, source: str | None) -> None:
        pick = (table.key, source)
        reads = [
            (key, of)
            for key in table.reads
            if key in self.by_key
            for of in read_of(self.by_key[key], table, source, self.sources)
        ]
        if not table.lenient and any(read in self.left_out for read in reads):
            self.left_out.add(pick)
            return
        info = self.warehouse.lake.info(table.table_key(source))
        remade = [read for read in reads if read in self.remade]
        try:
            why = self._why(table, source, info, remade)
            if why and table.kind is RAW_CORPUS:
                self.then[str(source)] = self._size(str(source))
        except (ValueError, OSError) as error:
            self.untold.append(f"{_named(table, source)}: {error}")
            if info is None:
                self.left_out.add(pick)
            return
        if not why:
            return
        computed, whole = self._work(table, source, info, why, remade)
        first = not any(line.stage == table.name for line in self.lines)
        gpu = table.runs_model and self.gpu
        expected = self.known.expected(table.name, computed, whole, first=first, gpu=gpu)
        self.remade[pick] = round(expected.cost.bytes_written)
        self.lines.append(self._line(table, source, why, computed, expected, reads))

    def _why(self, table: Table, source: str | None, info: TableInfo | None, remade: Sequence[Pick]) -> str | None:
        """Return why a table is to be made; None where it is current.

        Raises:
            ValueError: what it is made from cannot be looked at.
            OSError: the same.
        """
        if table.kind is RAW_CORPUS and self._is_remote(str(source)):
            if info is None:
                raise ValueError(
                    "its files lie on another host and have never been fetched: how many rows there are is "
                    "known after the first run"
                )
            return None
        if info is None:
            return MISSING
        if remade:
            return f"reads {_some([_named(self.by_key[key], of if of != source else None) for key, of in remade])}"
        expected = table.expect(self.warehouse, source)
        if info.fingerprint != expected.fingerprint:
            return CODE
        changed = {
            name for name in {*info.inputs, *expected.inputs} if info.inputs.get(name) != expected.inputs.get(name)
        }
        return f"{_some(sorted(changed))} changed" if changed else None

    def _is_remote(self, source: str) -> bool:
        return asks_others(self.warehouse.registry.sources[source], self.warehouse.settings.data)

    def _size(self, source: str) -> SourceSize:
        """Return how large a source will be whose files are new."""
        spec, found = take_snapshot(self.warehouse, source)
        return sampled_size(source, spec, found)

    def _work(
        self, table: Table, source: str | None, info: TableInfo | None, why: str, remade: Sequence[Pick]
    ) -> tuple[Work, Work]:
        """Return the work of the rows that are to be computed, and of all rows."""
        whole = self._total(self.then, source)
        if not (table.in_units and source) or info is None or why == CODE or any(of is None for _, of in remade):
            return whole, whole
        new = max(whole.rows - info.rows, 0)
        return whole.share(new / max(whole.rows, 1)), whole

    def _total(self, sizes: dict[str, SourceSize], source: str | None) -> Work:
        some = [sizes[of] for of in ([source] if source else self.sources) if of in sizes]
        return Work(*(sum(getattr(size, name) for size in some) for name in ("rows", "tokens", "encoded")))

    def _line(
        self, table: Table, source: str | None, why: str, work: Work, expected: ExpectedCost, reads: Sequence[Pick]
    ) -> PlanLine:
        cost = expected.cost
        of_rows = table.key in self.about_rows
        return PlanLine(
            stage=table.name,
            source=source,
            why=why,
            rows=round(work.rows) if of_rows else 0,
            tokens=round(work.tokens) if of_rows and table.runs_model else 0,
            bytes_read=sum(self._bytes(key, of) for key, of in reads),
            bytes_written=round(cost.bytes_written),
            memory_mb=round(self.before_mb + cost.memory_mb, 1),
            cpu_seconds=round(cost.cpu_seconds, 3),
            gpu_seconds=None if expected.gpu_seconds is None else round(expected.gpu_seconds, 3),
            seconds=round(cost.seconds, 3),
            basis=expected.basis,
        )

    def _bytes(self, key: Key, source: str | None) -> int:
        if (key, source) in self.remade:
            return self.remade[key, source]
        info = self.warehouse.lake.info(self.by_key[key].table_key(source))
        return info.bytes if info else 0

    def _measured(self) -> list[Measured]:
        """Return the records of earlier steps; tokens of their rows as many as rows of their source have now."""
        every = self._total(self.now, None)
        found = []
        for record in self.warehouse.lake.runs():
            size = self._total(self.now, record.get("source"))
            if not size.rows:
                size = every
            rows = record.get("corpus_rows", record.get("rows_total", 0) if record.get("source") else every.rows)
            whole = size.share(rows / max(size.rows, 1))
            table = self.by_key.get(tuple(record["stage"].split("/")))
            in_units = table is not None and table.in_units and record.get("rows_total")
            computed = whole.share(record["rows_new"] / record["rows_total"]) if in_units else whole
            peak, before = record.get("peak_rss_mb", 0.0), record.get("rss_before_mb")
            found.append(
                Measured(
                    stage=record["stage"],
                    source=record.get("source"),
                    computed=computed,
                    whole=whole,
                    cost=Cost(
                        record.get("seconds", 0.0),
                        record.get("cpu_seconds", 0.0),
                        max(peak - before, 0.0) if before is not None else 0.0,
                        record.get("bytes_written", 0),
                    ),
                    gpu_seconds=record.get("gpu_seconds", 0.0),
                    before_mb=before or 0.0,
                )
            )
        return found


def made_from_rows(tables: Sequence[Table]) -> list[Table]:
    """Return the tables that are made from conversations, through whatever other tables.

    Args:
        tables: upstream first.
    """
    keys: set[Key] = set()
    found = []
    for table in tables:
        if table.kind in (RAW_CORPUS, CORPUS) or keys & set(table.reads):
            keys.add(table.key)
            found.append(table)
    return found


def _named(table: Table, source: str | None) -> str:
    return f"{table.name} of {source}" if source else table.name


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many others there are."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
