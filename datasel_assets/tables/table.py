"""What a table says of itself: what it reads, how it is made, what is checked.

Belongs here: the description that every table has, and what its build function gets and hands back. Does not belong
here: making one (``making``), and what any particular table holds (the folders beside this file).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import Logger
from typing import Any, Literal

from datasel_assets import progress
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.lake import Expected, Key, TableInfo
from datasel_assets.tables.shown import counts_table
from datasel_assets.tables.warehouse import Warehouse

Per = Literal["source", "recipe", "pool"]


FAILED_SHOWN = 20


@dataclass(frozen=True)
class Update:
    """What bringing a row table up to date did.

    Attributes:
        info: the published table.
        new: rows that were computed.
        reused: rows that were kept; some of their columns may have been computed.
        removed: rows that left.
        reason: why, in words.
        resumed: shards that an earlier attempt had finished.
        failed: row id -> reason of rows that could not be computed.
        forecast: what was said of the cost beforehand.
        facts: figures of what was computed, added up.
    """

    info: TableInfo
    new: int
    reused: int
    removed: int
    reason: str
    resumed: int
    failed: Mapping[str, str] = field(default_factory=dict)
    forecast: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """The outcome of one check; ``details`` are shown beside it."""

    passed: bool
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """What a build function hands back after it published its table.

    Attributes:
        info: the published table.
        rows_new: rows that were computed.
        rows_reused: rows that were kept.
        rows_removed: rows that left.
        metadata: what the page of the table shows (see ``shown``).
        checks: outcome by name.
        rows_total: rows that the page names, where they are not those of the file.
        observed: figures about other tables, recorded on their pages.
    """

    info: TableInfo
    rows_new: int
    rows_reused: int = 0
    rows_removed: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    rows_total: int | None = None
    observed: Mapping[Key, Mapping[str, float]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return how many rows the table has."""
        return self.info.rows if self.rows_total is None else self.rows_total

    @classmethod
    def of(
        cls, update: Update, metadata: Mapping[str, Any] | None = None, checks: Mapping[str, Check] | None = None
    ) -> "Built":
        """Return the result of an update of a row table."""
        facts: dict[str, Any] = {"increment": update.reason, "shards_resumed": update.resumed, **(metadata or {})}
        if update.failed:
            facts["rows_failed"] = len(update.failed)
            facts["failed"] = counts_table(dict(list(update.failed.items())[:FAILED_SHOWN]), "row_id", "reason")
        return cls(update.info, update.new, update.reused, update.removed, facts, checks or {})


@dataclass(frozen=True)
class Step:
    """What a build function gets: the opened warehouse, the table to make, and for which source."""

    warehouse: Warehouse
    expected: Expected
    source: str | None
    stage: str
    log: Logger

    def progress(self, done: int, total: int) -> None:
        """Report rows done to whoever listens."""
        progress.report(f"{self.stage} {self.source}" if self.source else self.stage, done, total)


@dataclass(frozen=True)
class Kind:
    """What all tables have in common whose key in the lake starts with ``name``; also those of retired names.

    Attributes:
        name: first part of their key in the lake.
        version: of the code that makes them. Raised when the meaning of what it writes changes: that, and only that,
            makes all of them anew. By hand and not by a hash of the source text, because re-encoding a million rows
            for a changed comment is no service.
        per: what the last part of their key names.
        companions: first key parts of the tables that are published beside one, under the rest of its key.
        state: what one needs to go on from: paths in the warehouse, with ``{name}`` for the rest of its key.
        job: the job that makes those which are made on request; None where they are asked for one by one.
    """

    name: str
    version: str = "1"
    per: Per = "pool"
    companions: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    job: str | None = None


def key_of(key: Key, source: str | None) -> Key:
    """Return the key of the table of one source; of a table that has no sources its own."""
    return (*key, source) if source else key


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table in all, or one per source.

    Attributes:
        kind: what it shares with its like.
        key: its name; also the name of the stage in the log of costs.
        stored_as: key in the lake (before the source), where it is another.
        description: Markdown.
        group: where it stands in the lineage: one of ``lineage.GROUPS``.
        reads: keys of the tables it is made from.
        expect: says from the present state what the table must be made from. Cheap: footers only.
        build: makes and publishes the table.
        checks: names of the checks with their descriptions; each must be in ``Built.checks``.
        runs_model: a model is run to make it.
        in_units: its rows are computed in units of work, which other processes may carry out.
        few_rows: somebody wrote its rows by hand, so that a GPU is not worth waiting for.
        lenient: makes do with those of its inputs that are there: one that could not be made does not stop it.
        on_demand: made only when somebody asks for it.
        comes_last: made when all others are, in a run of its own: what it reads is not drawn in the lineage, because
            that is everything.
        pool: name of the limit on how many are made at once.
        refreshed_daily: out of date when it has not been looked at for days.
        kinds: formats and libraries, for icons.
        version: of the code that makes it; another version makes it anew.
        columns: what columns mean, where ``columns.DESCRIPTIONS`` does not say it.
        lineage: column -> the (key, column) pairs it is made from.
    """

    kind: Kind
    key: Key
    stored_as: Key | None = None
    description: str
    group: str
    reads: Sequence[Key] = ()
    expect: Callable[[Warehouse, str | None], Expected]
    build: Callable[[Step], Built]
    checks: Mapping[str, str] = field(default_factory=dict)
    runs_model: bool = False
    in_units: bool = False
    few_rows: bool = False
    lenient: bool = False
    on_demand: bool = False
    comes_last: bool = False
    pool: str | None = None
    refreshed_daily: bool = False
    kinds: frozenset[str] = frozenset({"parquet"})
    version: str = "1"
    columns: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, Sequence[tuple[Key, str]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the key as one string."""
        return "/".join(self.key)

    @property
    def per_source(self) -> bool:
        """Tell whether there is one table for each source."""
        return self.kind.per == "source"

    def table_key(self, source: str | None) -> Key:
        """Return the key of its table in the lake; says nothing about whether it exists."""
        return key_of(self.stored_as or self.key, source)

    def needs_gpu(self, device: str, backend: str) -> bool:
        """Tell whether making it has a use for a GPU of its own.

        None has where models run on the CPU, for a few rows, or where units of work are sent to a Ray cluster, which
        counts the GPUs of each unit itself.
        """
        shared_out = self.in_units and backend == "ray"
        return self.runs_model and device != "cpu" and not self.few_rows and not shared_out

    def is_current(self, warehouse: Warehouse, source: str | None) -> bool:
        """Tell whether the table is what it would be if it were made now."""
        return warehouse.lake.is_current(self.expect(warehouse, source))


@dataclass(frozen=True)
class Graph:
    """What a table may ask about the others among which it stands; handed to it, because whoever knows all imports it.

    Attributes:
        kind_of: returns the kind of a key in the lake, or of the table whose companion it is; None for one of no kind.
        all_tables: returns every table of a registry, upstream first.
    """

    kind_of: Callable[[Key], Kind | None]
    all_tables: Callable[[Registry], list[Table]]

    def per_source(self, key: Key) -> bool:
        """Tell whether there is one table for each source."""
        kind = self.kind_of(key)
        return kind is not None and kind.per == "source"
