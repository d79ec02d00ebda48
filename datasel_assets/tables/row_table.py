"""The one life of a table with a line per row: plan, compute in units, resume, merge, publish.

Belongs here: how every such table comes up to date, in whatever process its units run. Does not belong here: what is
computed (each table's ``compute``), where units run (``compute``), how shards become a table (``storage.rows``).

A table says in a :class:`RowTable` which rows it is made of, what it wants (cheap, from footers), what a build of it
needs, and a ``compute`` at the top of its module. One row that cannot be computed is null with a reason in the column
``failed``; what is wrong for every row (no memory, no model, a missing table) stops at once and replaces nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasel_assets.compute import ShardMapper, Unit
from datasel_assets.compute.units import path_of
from datasel_assets.storage.fingerprint import digest, ids_digest, merged_sums
from datasel_assets.storage.lake import Expected, Key, Lake, TableInfo
from datasel_assets.storage.lines import Lines, arrow_schema, merged_lines
from datasel_assets.storage.parts import Part
from datasel_assets.storage.rows import Computed, Plan, merged, plan_rows, stored_ids, stored_versions
from datasel_assets.storage.shards import FAILED, failures
from datasel_assets.storage.sorted_ids import among, positions
from datasel_assets.tables.precision import OneFormat
from datasel_assets.tables.row_units import DTYPE, TooManyFailuresError, WholeTableError, added, carry_out
from datasel_assets.tables.table import Built, Check, Step, Table, Update, key_of
from datasel_assets.tables.warehouse import Warehouse

FAILED_SHARE = 0.05
"""How many rows of a table may fail, where the table says nothing else."""


@dataclass(frozen=True)
class Wanted:
    """What a row table should have been made from, told from footers alone.

    Attributes:
        fingerprint: hash of code, model and parameters.
        inputs: versions of what it is made from besides its rows.
        versions: column -> version where columns come and go by themselves; None where all have the fingerprint.
    """

    fingerprint: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Work:
    """What a build needs to know besides.

    Attributes:
        schema: columns of the table, ``row_id`` first.
        reads: columns of the upstream table that ``compute`` gets besides ``row_id``.
        arguments: plain values from which ``load`` makes what ``compute`` needs, in any process.
        apart: columns that are computed one after the other, each for all rows, with arguments of their own, so that
            what one of them needs is loaded once.
        meta: deterministic facts for the footer.
    """

    schema: pa.Schema
    reads: Sequence[str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    apart: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RowTable:
    """A table with one line for every row of another one.

    Attributes:
        rows_of: key of the table whose rows it has, without the source.
        wants: see :class:`Wanted`.
        work: see :class:`Work`; called only when something is to be done.
        compute: ``(rows, context) -> rows``: one line per row in any order, ``row_id`` and the columns of
            ``context.columns``; with ``lines`` a pair of these and the lines. At the top of a module.
        load: ``(warehouse, **arguments) -> anything``: what ``compute`` finds as ``context.loaded``, made once per
            process for the same arguments. At the top of a module.
        unit_rows: a killed step loses at most this many rows of work.
        lines: a second table that ``compute`` fills too, published just before this one.
        failed_share: the table is not published when a larger share of its rows (and more than one) failed; 0: none
            may fail, for the few rows of a table that somebody wrote by hand.
        forecast: ``(step, work, rows) -> figures``: says in the log what computing so many rows will cost before it
            begins, and returns what the page shows of it.
        facts: what the page shows besides, from the published table.
        verify: outcomes of the checks.
    """

    rows_of: Key
    wants: Callable[[Warehouse, str | None], Wanted]
    work: Callable[[Step], Work]
    compute: Callable[..., Any]
    load: Callable[..., Any] | None = None
    unit_rows: int = 8192
    lines: Lines | None = None
    failed_share: float = FAILED_SHARE
    forecast: Callable[[Step, Work, int], Mapping[str, Any]] = lambda step, work, rows: {}
    facts: Callable[[Step, Update], Mapping[str, Any]] = lambda step, update: {}
    verify: Callable[[Step, Update], Mapping[str, Check]] = lambda step, update: {}

    def table(self, *, key: Key, **description: Any) -> Table:
        """Return the description of the table; ``description``: the other attributes of :class:`Table`."""

        def expect(warehouse: Warehouse, source: str | None) -> Expected:
            wanted = self.wants(warehouse, source)
            info = warehouse.lake.info(key_of(self.rows_of, source))
            inputs = {"rows": info.meta["ids"] if info else "missing", **wanted.inputs}
            if self.lines is not None:
                # Without its lines the table is not whole.
                inputs["turns"] = "yes" if warehouse.lake.info(key_of(self.lines.key, source)) else "no"
            return Expected(key_of(key, source), wanted.fingerprint, inputs)

        def build(step: Step) -> Built:
            update = update_rows(step, self, runs_model=description.get("runs_model", False))
            shown = {**update.forecast, **self.facts(step, update)}
            return Built.of(update, shown, self.verify(step, update))

        few = self.failed_share == 0
        return Table(key=key, expect=expect, build=build, in_units=True, few_rows=few, **description)


@dataclass(frozen=True)
class _PartWork:
    """One part of the upstream table: what to do for it, and its units by group of columns."""

    part: Part
    plan: Plan
    groups: list[tuple[Computed, list[Unit]]]


def update_rows(step: Step, table: RowTable, *, runs_model: bool = False) -> Update:
    """Bring a row table up to date with the rows of its upstream table, unit by unit, and publish it.

    Part k of the table is made from part k of the upstream table; a unit of work is a slice of the rows of one row
    group. Shards are named by what they hold, so that a killed step finds them again.

    Raises:
        ValueError: the upstream ids repeat, or ``compute`` returned other rows or columns than it was asked for.
        TooManyFailuresError: more rows failed than the table allows; the stored table stays as it was.
        MixedPrecisionError: a model computed some rows in another number format than others.
    """
    mapper = step.warehouse.mapper
    device = mapper.device(step.warehouse.settings.device, runs_model=runs_model)
    lake, expected = step.warehouse.lake, step.expected
    upstream = lake.require(key_of(table.rows_of, step.source))
    work, wanted = table.work(step), table.wants(step.warehouse, step.source)
    columns = work.schema.names[1:]
    versions = wanted.versions or dict.fromkeys(columns, expected.fingerprint)
    lines = table.lines and table.lines.at(key_of(table.lines.key, step.source))
    info = lake.info(expected.key)
    stored = stored_ids(lake, info)
    kept = _kept(lake, info, versions, lines, upstream)
    may_fail = max(1, int(table.failed_share * upstream.rows)) if table.failed_share else 0
    parts = [
        _PartWork(part, plan, _units(step, table, work, versions, part, plan, lines, may_fail, device))
        for part in upstream.parts
        for plan in [plan_rows(_ids(part), _within(stored, part, upstream), kept, columns, "/".join(expected.key))]
    ]
    reuses = any(part.plan.kept and len(part.plan.reused) for part in parts)
    formats = OneFormat(expected, info if reuses else None, lake.shard_folder(expected))
    units = _in_order(parts)
    there = {unit.name for unit in units if Path(unit.args["shard"]).is_file()}
    waiting = [unit for unit in units if unit.name not in there]
    forecast = table.forecast(step, work, sum(unit.rows for unit in waiting)) if waiting else {}
    facts = _carry_out(step, units, there, mapper, formats)
    failed = _failures(parts, upstream.rows, may_fail, "/".join(expected.key))
    meta = {**work.meta, DTYPE: formats.dtype} if formats.dtype else work.meta
    published = _publish(step, table, replace(work, meta=meta), wanted, parts, info, lines, failed)
    lake.clear_shards(expected.key)
    plans = [part.plan for part in parts]
    everywhere = pl.concat([_ids(part) for part in upstream.parts])
    gone = 0 if stored is None else int((~among(stored["row_id"], everywhere.sort())).sum())
    reason = next((plan.reason for plan in plans if plan.reason != "unchanged"), "unchanged")
    if gone and reason == "unchanged":
        reason = "rows changed"
    return Update(
        info=published,
        new=sum(len(plan.new) for plan in plans),
        reused=sum(len(plan.reused) for plan in plans),
        removed=gone,
        reason=reason,
        resumed=len(there),
        failed=failed,
        forecast=forecast,
        facts=facts,
    )


def _kept(
    lake: Lake, info: TableInfo | None, versions: Mapping[str, str], lines: Lines | None, upstream: TableInfo
) -> list[str]:
    """Return the columns that the stored table has in the version wanted."""
    if info is None:
        return []
    if lines is not None:
        shared = lines.shared(lake, info, upstream.meta["ids"])
        return lines.together([name for name in versions if shared.get(name) == versions[name]], versions)
    have = stored_versions(info, pq.read_schema(info.files[0]).names)
    return [name for name, version in versions.items() if have.get(name) == version]


def _within(stored: pl.DataFrame | None, part: Part, upstream: TableInfo) -> pl.DataFrame | None:
    """Return the stored rows that concern a part: all of them where there is only one."""
    if stored is None or len(upstream.parts) == 1:
        return stored
    places = positions(_ids(part).sort(), stored["row_id"])
    return stored[places[places >= 0]]


def _ids(part: Part) -> pl.Series:
    return pl.read_parquet(part.path, columns=["row_id"], glob=False)["row_id"]


def _units(
    step: Step,
    table: RowTable,
    work: Work,
    versions: Mapping[str, str],
    part: Part,
    plan: Plan,
    lines: Lines | None,
    may_fail: int,
    device: str,
) -> list[tuple[Computed, list[Unit]]]:
    """Return the units of one part, by group of columns and by whether their rows are new."""
    together = [name for name in versions if name not in work.apart]
    asked = [(sorted(together), work.arguments), *(([name], arguments) for name, arguments in work.apart.items())]
    folder = step.warehouse.lake.shard_folder(step.expected)
    data = str(step.warehouse.settings.data)
    gpus = int(device.startswith("cuda"))
    groups = []
    for names, arguments in asked:
        changed = [name for name in names if name in plan.changed]
        for is_new, ids, own in ((True, plan.new, names), (False, plan.reused, changed)):
            units = []
            for group, places, rows in _slices(part, ids, table.unit_rows) if own and len(ids) else ():
                what = [
                    ids_digest(rows),
                    {name: versions[name] for name in own},
                    *([] if lines is None else [list(lines.key)]),
                ]
                shard = folder / f"{digest(what)}.arrow"
                args = {
                    "data": data,
                    "device": device,
                    "source": step.source,
                    "compute": path_of(table.compute),
                    "load": path_of(table.load) if table.load else None,
                    "arguments": dict(arguments),
                    "file": str(part.path),
                    "group": group,
                    "positions": places,
                    "reads": list(work.reads),
                    "columns": own,
                    "lines": lines.as_plain() if lines else None,
                    "shard": str(shard),
                    "may_fail": may_fail,
                }
                name = f"{'/'.join(step.expected.key)} {shard.stem}"
                units.append(Unit(name, path_of(carry_out), args, len(rows), gpus))
            computed = Computed(is_new, tuple(own), [Path(unit.args["shard"]) for unit in units])
            if own:
                groups.append((computed, units))
    return groups


def _slices(part: Part, wanted: pl.Series, rows: int) -> Iterator[tuple[int, list[int], pl.Series]]:
    """Yield (row group, positions in it, ids) of at most ``rows`` wanted rows of a part, by id within a row group."""
    ids = _ids(part)
    is_wanted = among(ids, wanted) if len(wanted) < len(ids) else pl.repeat(True, len(ids), eager=True)
    start = 0
    metadata = pq.read_metadata(part.path)
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        chosen = is_wanted[start : start + size].arg_true()
        own = pl.DataFrame({"id": ids[start : start + size].gather(chosen), "position": chosen}).sort("id")
        for piece in own.iter_slices(rows):
            yield group, piece["position"].to_list(), piece["id"]
        start += size


def _in_order(parts: Sequence[_PartWork]) -> list[Unit]:
    """Return the units: all rows of a group of columns before the next group, so that what it needs is loaded once."""
    order = [units for group in zip(*(part.groups for part in parts), strict=True) for _, units in group]
    return [unit for some in order for unit in some]


def _carry_out(
    step: Step, units: Sequence[Unit], there: Collection[str], mapper: ShardMapper, formats: OneFormat
) -> dict[str, Any]:
    """Carry out the units that are not ``there``; return their facts."""
    waiting = [unit for unit in units if unit.name not in there]
    for unit in units:
        if unit.name in there:
            formats.add(Path(unit.args["shard"]))
    total = sum(unit.rows for unit in units)
    before = total - sum(unit.rows for unit in waiting)
    facts: dict[str, Any] = {}
    # Closed at once where something is wrong, so that nothing goes on elsewhere.
    with closing(mapper.run(waiting, lambda rows: step.progress(before + rows, total))) as running:
        for done in running:
            added(facts, done.facts)
            shard = Path(done.unit.args["shard"])
            if not shard.is_file():
                raise WholeTableError(
                    f"a worker finished {done.unit.name}, but {shard} is not there: the data folder must lie on "
                    "storage that all workers share, under the same path"
                )
            formats.add(shard)
    return facts


def _failures(parts: Sequence[_PartWork], rows: int, may_fail: int, name: str) -> dict[str, str]:
    """Return row id -> reason of all rows that failed.

    Raises:
        TooManyFailuresError: they are too many.
    """
    shards = [shard for part in parts for computed, _ in part.groups for shard in computed.shards]
    found: dict[str, str] = {}
    for shard in shards:
        found |= failures(shard)
    if len(found) > may_fail:
        raise TooManyFailuresError.of(name, len(found), rows, *next(iter(found.items())))
    return found


def _publish(
    step: Step,
    table: RowTable,
    work: Work,
    wanted: Wanted,
    parts: Sequence[_PartWork],
    info: TableInfo | None,
    lines: Lines | None,
    failed: Collection[str],
) -> TableInfo:
    """Publish the lines, where there are any, and then the rows."""
    lake = step.warehouse.lake
    expected = step.expected
    if lines is not None:
        expected = Expected(expected.key, expected.fingerprint, {**expected.inputs, "turns": "yes"})
    schema = work.schema.append(pa.field(FAILED, pa.string())) if failed else work.schema
    one = len(parts) == 1
    ids = ids_digest(_ids(parts[0].part)) if one else merged_sums(part.part.ids for part in parts)
    if failed:
        # What is made from this table must look again when these rows are there at last.
        ids = f"{ids}-{digest(sorted(failed))}"
    facts = {**work.meta, "ids": ids, **({"columns": dict(wanted.versions)} if wanted.versions else {})}
    version = digest([ids, expected.fingerprint])
    if lines is not None:
        names = work.schema.names[1:]
        old = lake.info(lines.key)
        beside = Expected(lines.key, expected.fingerprint, expected.inputs)
        with lake.publication(beside, arrow_schema(lines.schema(names))) as out:
            for part in parts:
                frames = merged_lines(lines, names, part.plan, _computed(part), old.files if old else [])
                arrow = (frame.to_arrow(compat_level=pl.CompatLevel.oldest()) for frame in frames)
                out.write(arrow, made_of="" if one else part.part.path.name)
            lake.publish(out, beside, version, {"ids": ids, "columns": dict(wanted.versions or {})})
    with lake.publication(expected, schema) as out:
        for part in parts:
            kept = _unchanged(part, info, expected)
            if kept and not one:
                out.keep(kept, part.part.path.name)
                continue
            rows = merged(part.plan, _computed(part), info.files if info else [], schema)
            out.write(rows, made_of="" if one else part.part.path.name)
        return lake.publish(out, expected, version, facts)


def _computed(part: _PartWork) -> list[Computed]:
    return [computed for computed, _ in part.groups if computed.shards]


def _unchanged(part: _PartWork, info: TableInfo | None, expected: Expected) -> Part | None:
    """Return the stored part that was made from this very part of the upstream table, where nothing is to be done."""
    if info is None or part.plan.changed or len(part.plan.new):
        return None
    stored = set(pq.read_schema(info.files[0]).names)
    if stored != {"row_id", *part.plan.kept}:
        return None
    same = (own for own in info.parts if own.made_of == part.part.path.name and own.rows == part.part.rows)
    return next(same, None)
