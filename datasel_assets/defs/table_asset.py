"""How a table becomes a Dagster asset: one factory, so that every asset skips, measures and reports alike.

Belongs here: the common life of a step (is it current? build, log the cost, report). Does not belong here: what any
particular asset computes; that is its ``build`` function, about 25 lines each in the sibling modules.
"""

import json
import re
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from datasel_assets import progress
from datasel_assets.defs.automation import upstream_or_code_changed
from datasel_assets.defs.columns import describe
from datasel_assets.defs.op_tags import COMPUTE_TAG, CPU_OP_TAGS, GPU_OP_TAGS, GPU_POOL
from datasel_assets.defs.partitions import sources_partitions
from datasel_assets.defs.resources import Warehouse, WarehouseResource
from datasel_assets.storage.atomic import write_json
from datasel_assets.storage.increment import Update
from datasel_assets.storage.lake import Expected, Key, Lake, TableInfo

OWNERS = ["team:data-selection"]
UNCHANGED = "nothing to do; the facts shown are those of the last computation"


@dataclass(frozen=True)
class Check:
    """The outcome of one in-asset check; ``details`` are shown in the UI."""

    passed: bool
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """What a build function hands back after it published its table."""

    info: TableInfo
    rows_new: int
    rows_reused: int = 0
    rows_removed: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    rows_total: int | None = None
    observed: Mapping[tuple[str, ...], Mapping[str, float]] = field(default_factory=dict)
    """Figures about other assets, recorded on their pages as observations."""

    @classmethod
    def of(
        cls, update: Update, metadata: Mapping[str, Any] | None = None, checks: Mapping[str, Check] | None = None
    ) -> "Built":
        """Return the result of an increment."""
        increment = update.increment
        return cls(
            update.info,
            len(increment.new),
            len(increment.reused),
            increment.removed,
            {"increment": increment.reason, "shards_resumed": update.shards_resumed, **(metadata or {})},
            checks or {},
        )


@dataclass(frozen=True)
class Step:
    """What a build function gets: the opened warehouse, the table to make, and for which source."""

    warehouse: Warehouse
    expected: Expected
    source: str | None
    stage: str
    log: Any

    def progress(self, done: int, total: int) -> None:
        """Report rows done to whoever listens (``make run`` shows a bar)."""
        progress.report(f"{self.stage} {self.source}" if self.source else self.stage, done, total)


@dataclass(frozen=True, kw_only=True)
class TableAsset:
    """One asset that owns one table per source, or one table in all.

    Attributes:
        key: asset key parts; also the name of the stage in ``runs.jsonl``.
        table: key of the table in the lake (before the source), where it is another.
        description: shown in the UI (Markdown).
        group: UI group. The graph labels a node with the last part of its key, so what kind of table it is must be
            readable from the group: one group per kind.
        deps: keys of the assets whose tables it reads.
        expect: says from the present state what the table must be made from. Cheap: footers only.
        build: makes and publishes the table.
        checks: names of the in-asset checks with their descriptions; each must be in ``Built.checks``.
        partitioned: one table per source.
        gpu: runs a model.
        lenient: makes do with those of its inputs that are there: one that could not be made does not stop it.
        on_demand: made only when somebody asks for it: not by the main job, a sensor or a schedule.
        code_version: version of the producer.
        columns: what columns mean, where ``columns.DESCRIPTIONS`` does not say it.
        lineage: column -> the (asset key, column) pairs it is made from, shown as column lineage.
    """

    key: Key
    table: Key | None = None
    description: str
    group: str
    deps: Sequence[tuple[str, ...]] = ()
    expect: Callable[[Warehouse, str | None], Expected]
    build: Callable[[Step], Built]
    checks: Mapping[str, str] = field(default_factory=dict)
    partitioned: bool = False
    gpu: bool = False
    lenient: bool = False
    on_demand: bool = False
    pool: str | None = None
    kinds: frozenset[str] = frozenset({"parquet"})
    code_version: str = "1"
    freshness: dg.FreshnessPolicy | None = None
    retry: dg.RetryPolicy | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, Sequence[tuple[tuple[str, ...], str]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the key as one string."""
        return "/".join(self.key)

    def table_key(self, source: str | None) -> Key:
        """Return the key of its table, of one source where it is partitioned; says nothing about whether it exists."""
        key = self.table or self.key
        return (*key, source) if source else key

    def is_current(self, warehouse: Warehouse, source: str | None) -> bool:
        """Tell whether the table is what it would be if it were made now."""
        return warehouse.lake.is_current(self.expect(warehouse, source))

    def to_dagster(self) -> dg.AssetsDefinition:
        """Return the asset definition."""
        key = dg.AssetKey(list(self.key))
        tags = {COMPUTE_TAG: "gpu" if self.gpu else "cpu"}

        @dg.asset(
            key=key,
            deps=[dg.AssetKey(list(dep)) for dep in self.deps],
            partitions_def=sources_partitions if self.partitioned else None,
            description=self.description,
            group_name=self.group,
            kinds=set(self.kinds),
            owners=OWNERS,
            tags=tags,
            pool=GPU_POOL if self.gpu else self.pool,
            op_tags=GPU_OP_TAGS if self.gpu else CPU_OP_TAGS,
            code_version=self.code_version,
            automation_condition=None if self.on_demand else upstream_or_code_changed(whole_pool=not self.partitioned),
            freshness_policy=self.freshness,
            retry_policy=self.retry,
            check_specs=[
                dg.AssetCheckSpec(
                    name,
                    asset=key,
                    blocking=True,
                    description=text,
                    partitions_def=sources_partitions if self.partitioned else None,
                )
                for name, text in self.checks.items()
            ],
        )
        def table_asset(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
            return self.materialize(context, warehouse.open())

        return table_asset

    def materialize(self, context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        """Make the table unless it is current, and report either way."""
        source = context.partition_key if self.partitioned else None
        expected = self.expect(warehouse, source)
        note = note_path(warehouse.lake, expected.key)
        info = warehouse.lake.info(expected.key)
        if info and info.fingerprint == expected.fingerprint and info.inputs == dict(expected.inputs):
            context.log.info(f"{self.name} {source or ''}: nothing to do, its inputs and code are unchanged")
            facts, checks = _recall(note)
            built = Built(info, 0, info.rows, 0, {**facts, "increment": UNCHANGED}, checks)
            missing = set(self.checks) - set(built.checks)
            if not missing:
                return self._result(built, {})
            context.log.info(f"its checks {sorted(missing)} have no record: making it again")
        step = Step(warehouse, expected, source, self.name, context.log)
        clock, cpu = time.perf_counter(), time.process_time()
        _reset_peak()
        built = self.build(step)
        cost = {
            "seconds": round(time.perf_counter() - clock, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
            "peak_rss_mb": round(_peak_mb(), 1),
        }
        warehouse.lake.log_run(
            stage=self.name,
            source=source,
            run_id=context.run.run_id,
            rows_total=_rows(built),
            rows_new=built.rows_new,
            rows_reused=built.rows_reused,
            rows_removed=built.rows_removed,
            **cost,
        )
        _remember(note, built)
        for key, figures in built.observed.items():
            shown = {name: _short(value) for name, value in figures.items()}
            context.log_event(dg.AssetObservation(dg.AssetKey(list(key)), metadata=shown))
        rate = {"rows_per_second": round(built.rows_new / max(cost["seconds"], 1e-3), 1)} if built.rows_new else {}
        return self._result(built, {**cost, **rate})

    def _result(self, built: Built, cost: Mapping[str, Any]) -> dg.MaterializeResult:
        rows = _rows(built)
        metadata: dict[str, Any] = {
            "dagster/partition_row_count" if self.partitioned else "dagster/row_count": rows,
            "rows_total": rows,
            "rows_new": built.rows_new,
            "rows_reused": built.rows_reused,
            "rows_removed": built.rows_removed,
            **{name: _short(value) for name, value in built.metadata.items()},
            **cost,
            "path": dg.MetadataValue.path(str(built.info.path)),
            "size_mb": _short(built.info.bytes / 1e6),
            "fingerprint": built.info.fingerprint,
        }
        if built.info.path.suffix == ".parquet":
            metadata["dagster/column_schema"] = column_schema(built.info.path, self.columns)
        if self.lineage:
            metadata["dagster/column_lineage"] = column_lineage(self.lineage)
        return dg.MaterializeResult(
            metadata=metadata,
            data_version=dg.DataVersion(built.info.data_version),
            check_results=[
                dg.AssetCheckResult(check_name=name, passed=c.passed, metadata=_plain(c.details))
                for name, c in built.checks.items()
            ],
        )


def note_path(lake: Lake, key: Key) -> Path:
    """Return where it is kept what the page of a table shows."""
    return lake.path(("_notes", *key), ".json")


def column_schema(path: Path, texts: Mapping[str, str]) -> dg.TableSchema:
    """Return the columns of a Parquet file for the catalogue page of the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(f.name, _type_name(f.type), texts.get(f.name) or describe(f.name))
            for f in pq.read_schema(path)
        ]
    )


def column_lineage(lineage: Mapping[str, Sequence[tuple[tuple[str, ...], str]]]) -> dg.TableColumnLineage:
    """Return which columns of other assets each column is made from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(list(key)), column_name=name) for key, name in origins]
            for column, origins in lineage.items()
        }
    )


def _type_name(type_: Any) -> str:
    name = str(type_).replace("large_", "").replace("element: ", "")
    vector = re.fullmatch(r"fixed_size_list<halffloat>\[(\d+)\]", name)
    return f"float16[{vector[1]}]" if vector else {"float": "float32", "double": "float64"}.get(name, name)


def _short(value: Any) -> Any:
    """Round a figure for reading; the table keeps all digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _rows(built: Built) -> int:
    return built.info.rows if built.rows_total is None else built.rows_total


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(dict(details), default=float))


def _remember(note: Path, built: Built) -> None:
    """Keep what a table's page shows, so that a later step with nothing to do can show it again."""
    checks = {name: {"passed": c.passed, "details": _plain(c.details)} for name, c in built.checks.items()}
    # A list, because the order on the page would be lost in an object with sorted keys.
    metadata = [[name, dg.serialize_value(value)] for name, value in built.metadata.items()]
    write_json(note, {"checks": checks, "metadata": metadata})


def _recall(note: Path) -> tuple[dict[str, Any], dict[str, Check]]:
    with suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
        kept = json.loads(note.read_text("utf-8"))
        metadata = {name: dg.deserialize_value(value) for name, value in kept["metadata"]}
        return metadata, {name: Check(c["passed"], c["details"]) for name, c in kept["checks"].items()}
    return {}, {}


def _reset_peak() -> None:
    """Start the peak-memory counter of this process anew, where Linux allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
