"""Which tables are to be made, and in which order, from what they read and from the state of the lake.

Belongs here: phases, what is stale, what waits for a table that failed, what one table is made from. Does not belong
here: making one (``making``) and launching runs (``defs.main_job``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from datasel_assets.storage.lake import Key, Lake
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

Pick = tuple[Key, str | None]
"""One table: its key without the source, and the source; None where there are none."""


@dataclass(frozen=True)
class Phase:
    """Tables that one run (per source, when there is one table each) can make together, upstream first."""

    per_source: bool
    tables: tuple[Table, ...]


def phases(tables: Sequence[Table], given: Collection[Key] = ()) -> list[Phase]:
    """Cut the graph into alternating phases of per-source and global tables.

    Args:
        tables: to be made.
        given: keys of tables that are read as they are, because they are made only when somebody asks.

    A per-source table may need a global one (the whitening basis) that needs per-source tables (the moments), so no
    single run can hold everything. Each phase takes all tables of its kind whose inputs are ready; those that come last
    have a phase of their own.

    Raises:
        ValueError: some tables read what is not among ``tables``.
    """
    waiting, last = ([table for table in tables if table.comes_last is comes_last] for comes_last in (False, True))
    done, found, per_source = set(given), [], True
    while waiting:
        chosen: list[Table] = []
        progressed = True
        while progressed:
            progressed = False
            for table in list(waiting):
                if table.per_source == per_source and set(table.reads) <= done:
                    chosen.append(table)
                    waiting.remove(table)
                    done.add(table.key)
                    progressed = True
        if chosen:
            found.append(Phase(per_source, tuple(chosen)))
        elif not any(set(table.reads) <= done for table in waiting):
            raise ValueError(f"tables wait for tables that nobody makes: {', '.join(table.name for table in waiting)}")
        per_source = not per_source
    return [*found, Phase(False, tuple(last))] if last else found


def stale(
    phase: Phase, warehouse: Warehouse, source: str | None, broken: Collection[Pick] = ()
) -> tuple[list[Table], dict[str, str]]:
    """Return the tables of a phase that are not current, with everything of the phase that reads them.

    The second value says, by name, why it cannot be told of others: a file that they are made from is not there. Keys
    with sources that are ``broken`` are left out.
    """
    found: list[Table] = []
    unusable: dict[str, str] = {}
    for table in phase.tables:
        if (table.key, source) in broken:
            continue
        try:
            current = table.is_current(warehouse, source)
        except Exception as error:
            unusable[table.name] = str(error)
            continue
        if not current or {other.key for other in found} & set(table.reads):
            found.append(table)
    return found, unusable


@dataclass(frozen=True)
class Only:
    """What of the main job is carried out.

    Attributes:
        recipes: only what the selections of these are made from; with none, all.
        sources: of tables with one for each source only those of these; with none, all. Without ``recipes`` tables of
            the whole pool are then left as they are.
    """

    recipes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def phases(self, tables: Sequence[Table]) -> list[Phase]:
        """Return the phases of ``regular_phases`` with what is carried out of them."""
        wanted = {table.key for table in tables}
        if self.recipes:
            selections = [("selections", name) for name in self.recipes]
            wanted = {table.key for table in with_all_they_read(selections, tables)}
        elif self.sources:
            wanted = {table.key for table in tables if table.per_source}
        wanted |= {table.key for table in tables if table.comes_last}
        found = []
        for phase in regular_phases(tables):
            kept = tuple(table for table in phase.tables if table.key in wanted)
            found += [Phase(phase.per_source, kept)] if kept else []
        return found

    def of(self, sources: Iterable[str]) -> list[str]:
        """Return those of some sources whose tables are made."""
        return [name for name in sources if not self.sources or name in self.sources]


EVERYTHING = Only()


def needs_work(warehouse: Warehouse, tables: Sequence[Table], sources: Sequence[str]) -> bool:
    """Tell whether any table is not current, or of one it cannot be told because a file that it needs is not there."""
    return any(
        any(stale(phase, warehouse, source))
        for phase in regular_phases(tables)
        for source in (sources if phase.per_source else [None])
    )


def regular_phases(tables: Sequence[Table]) -> list[Phase]:
    """Return the phases of everything but the tables that are made only when somebody asks."""
    regular = [table for table in tables if not table.on_demand]
    return phases(regular, [table.key for table in tables if table.on_demand])


def lacks_input(
    table: Table,
    source: str | None,
    tables: Mapping[Key, Table],
    sources: Iterable[str],
    broken: Collection[Pick],
    lake: Lake,
) -> bool:
    """Tell whether a table reads one that failed and has never been made for any source that it is read of."""
    for needed in (tables[key] for key in table.reads if key in tables and not table.lenient):
        read = read_of(needed, table, source, sources)
        if any((needed.key, of) in broken for of in read) and not any(lake.info(needed.table_key(of)) for of in read):
            return True
    return False


def upstream_of(
    table: Table, source: str | None, tables: Iterable[Table], sources: Iterable[str]
) -> Iterator[tuple[Table, str | None]]:
    """Yield everything that a table is made from, each once, in an order in which it can be made.

    Args:
        table: whose inputs are wanted.
        source: for which source; None where it has none: what it reads is then read of all sources.
        tables: all there are.
        sources: all there are.
    """
    by_key = {other.key: other for other in tables}
    every = list(sources)
    seen: set[Pick] = set()

    def visit(wanted: Table, of: str | None) -> Iterator[tuple[Table, str | None]]:
        for other in (by_key[key] for key in wanted.reads):
            for one in read_of(other, wanted, of, every):
                if (other.key, one) not in seen:
                    seen.add((other.key, one))
                    yield from visit(other, one)
                    yield other, one

    yield from visit(table, source)


def with_all_they_read(keys: Iterable[Key], tables: Iterable[Table]) -> list[Table]:
    """Return the tables of these keys and everything that they are made from, each once, upstream first."""
    by_key = {table.key: table for table in tables}
    found: dict[Key, Table] = {}

    def visit(key: Key) -> None:
        if key not in found:
            for read in by_key[key].reads:
                visit(read)
            found[key] = by_key[key]

    for key in keys:
        visit(key)
    return list(found.values())


def read_of(needed: Table, reader: Table, source: str | None, sources: Iterable[str]) -> list[str | None]:
    """Return the sources of which a table is read by another."""
    if not needed.per_source:
        return [None]
    return [source] if reader.per_source else list(sources)
