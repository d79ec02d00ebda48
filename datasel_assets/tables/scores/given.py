"""Scores that users bring: a field of each record, or the value of its key in a table of theirs.

Belongs here: the table of each source, what its page says of values and keys. Does not belong here: what a value means
(``indicators.given``), reading the user's table (``storage.given_numbers``).
"""

import json
from collections.abc import Mapping
from functools import lru_cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.corpus.identity import normalise
from datasel_assets.diagnostics import plots
from datasel_assets.indicators import given as maths
from datasel_assets.raw_rows import SourceError
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.score import GivenSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.given_numbers import GivenValues, files_of, read_values
from datasel_assets.storage.given_vectors import identity
from datasel_assets.storage.lines import arrow_schema
from datasel_assets.storage.shards import FAILED
from datasel_assets.storage.sorted_ids import positions
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.shown import picture, sample_table
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

KIND = maths.KIND
GIVEN_SCORES = Kind(KIND.name, version=KIND.version, per="source")

SCHEMA = {"row_id": pl.String, "score": pl.Float32, "turns": pl.List(pl.Float32)}
SHOWN = 10


def given_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, GivenSpec)
    keep = KIND.keep_of(spec)
    table = RowTable(
        rows_of=("corpus",),
        wants=partial(_wants, name, spec),
        work=partial(_work, name, spec),
        compute=look_up,
        load=load_values if spec.table else None,
        facts=partial(_facts, name, spec),
        verify=partial(_verify, spec),
    ).table(
        kind=GIVEN_SCORES,
        key=(GIVEN_SCORES.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper or 'not stated'}",
        group="scores",
        reads=[("corpus",)],
        checks={"values_found": "some record of the pool has the field, or a row of the pool has a key of the table"},
        kinds=frozenset({"parquet"}),
        version=digest(_read_as(spec)),
        columns={
            "score": f"{KIND.about(spec)} Keep: {keep}.",
            "turns": "The values of the single turns, where the value is a list.",
        },
        lineage={column: [(("corpus",), read) for read in maths.reads_of(spec)] for column in ("score", "turns")},
    )
    return [table]


def _read_as(spec: GivenSpec) -> list[Any]:
    """Return what of a file decides the values."""
    return [GIVEN_SCORES.version, spec.model_dump(mode="json", exclude={"how", "keep", "doc", "paper"})]


def _wants(name: str, spec: GivenSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    if spec.table is not None:
        return Wanted(digest([*_read_as(spec), _content(name, spec.table, warehouse)]))
    # A field is no part of a row's id, so it may change under the same id.
    info = warehouse.lake.info(("corpus", str(source)))
    return Wanted(digest([*_read_as(spec), digest(info.inputs) if info else "missing"]))


def _content(name: str, table: str, warehouse: Warehouse) -> str:
    """Return a hash of the user's table, or that it is missing, which the build then says."""
    settings = warehouse.settings
    try:
        files = files_of(table, settings.data)
    except SourceError:
        return "missing"
    return identity(files, settings.warehouse / "_cache" / "_given_scores" / f"{name}.json")


def _work(name: str, spec: GivenSpec, step: Step) -> Work:
    arguments: dict[str, Any] = {
        "spec": spec.model_dump(mode="json", exclude_unset=True),
        "fingerprint": step.expected.fingerprint,
    }
    meta: dict[str, Any] = {}
    if spec.table is not None:
        given = load_values(step.warehouse, **arguments)
        rows = _names(step.warehouse, spec, str(step.source))
        pool = pl.concat([_names(step.warehouse, spec, source) for source in step.warehouse.active_sources()])
        unused = given.keys.filter(positions(given.keys, pool.unique().sort()) < 0)
        meta = {
            "unmatched": int((positions(rows, given.keys) < 0).sum()),
            "keys": len(given.keys),
            "unused": len(unused),
            "unused_keys": unused.head(SHOWN).to_list(),
            "keys_of_rows": rows.head(SHOWN).to_list(),
        }
    reads = [column for column in maths.reads_of(spec) if column != "row_id"]
    return Work(arrow_schema(SCHEMA), reads, arguments, meta=meta)


def _names(warehouse: Warehouse, spec: GivenSpec, source: str) -> pl.Series:
    """Return what the rows of a source are called in the user's table."""
    return _spelled(warehouse.lake.scan(("corpus", source)).select(spec.match).collect()[spec.match], spec.match)


def _spelled(names: pl.Series, match: str) -> pl.Series:
    """Return names as they are compared: prompts as contents are, so that white space does not part them."""
    return pl.Series("key", [normalise(one) for one in names], dtype=pl.String) if match == "prompt" else names


def load_values(warehouse: Warehouse, spec: Mapping[str, Any], fingerprint: str) -> GivenValues:
    """Read the user's table; ``fingerprint`` only says which content it had."""
    return _read(GivenSpec.model_validate(spec), warehouse.settings.data, fingerprint)


@lru_cache(maxsize=1)
def _read(spec: GivenSpec, data: Path, fingerprint: str) -> GivenValues:
    """Read the user's table once for all sources."""
    return read_values(str(spec.table), spec.column, spec.key, data, normalise if spec.match == "prompt" else None)


def look_up(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the score of each row, null where there is none; a value that is no score fails its row."""
    spec = GivenSpec.model_validate(context.arguments["spec"])
    if spec.field is not None:
        values = [maths.value_at(json.loads(extra), spec.field) for extra in rows["extra"]]
    else:
        values = context.loaded.of(_spelled(rows[spec.match], spec.match)).to_list()
    found, failed = [], []
    for value in values:
        try:
            found.append((*maths.score_of(value, spec.turns, spec.range), None))
        except maths.GivenValueError as error:
            found.append((None, None, str(error)))
        failed.append(found[-1][2])
    schema = {"score": pl.Float32, "turns": pl.List(pl.Float32), FAILED: pl.String}
    made = pl.DataFrame(found, schema=schema, orient="row").insert_column(0, rows["row_id"])
    return made.select("row_id", *context.columns, *([FAILED] if any(failed) else []))


def _facts(name: str, spec: GivenSpec, step: Step, update: Update) -> dict[str, Any]:
    table = step.warehouse.lake.scan(step.expected.key).select("row_id", "score").collect()
    title = f"{KIND.name}.{name}"
    without = table["score"].is_null() | table["score"].is_nan()
    facts: dict[str, Any] = {
        "rows_without_score": int(without.sum()),
        "plot: scores": picture(plots.score_grid({title: table["score"].cast(pl.Float64).to_numpy()}, title), title),
        "rows": extreme_rows(step.warehouse, table, {"score": KIND.keep_of(spec)}, step.source),
    }
    if spec.table is not None:
        meta = update.info.meta
        facts |= {"rows_without_a_key_in_the_table": meta["unmatched"], "keys_without_a_row": meta["unused"]}
        if meta["unused"]:
            # Side by side, so that a glance tells keys of another kind from rows that are not there.
            both = {"key without a row": meta["unused_keys"], "key of a row": meta["keys_of_rows"]}
            facts["keys"] = sample_table(
                pl.DataFrame(zip_longest(*both.values()), list(both), orient="row"), list(both), SHOWN
            )
    return facts


def _verify(spec: GivenSpec, step: Step, update: Update) -> dict[str, Check]:
    known = step.warehouse.lake.scan(step.expected.key).select(pl.col("score").fill_nan(None).count()).collect().item()
    details: dict[str, Any] = {"rows": update.info.rows, "rows_with_a_score": int(known)}
    if spec.field is None:
        found = update.info.meta["unused"] < update.info.meta["keys"]
    else:
        found = bool(known) or _is_somewhere(step.warehouse, spec.field)
        if not found:
            details["fields"] = ", ".join(_fields(step.warehouse, str(step.source))) or "none"
    return {"values_found": Check(found, details)}


def _is_somewhere(warehouse: Warehouse, field: str) -> bool:
    """Tell whether a record of the pool may hold a field: another source than this one may be the one that has it."""
    name = pl.col("extra").str.contains(f'"{field.partition(".")[0]}', literal=True).any()
    return any(warehouse.lake.scan(("corpus", one)).select(name).collect().item() for one in warehouse.active_sources())


def _fields(warehouse: Warehouse, source: str) -> list[str]:
    """Return the fields that the first records of a source have beside the conversation."""
    some = warehouse.lake.scan(("corpus", source)).select("extra").head(SHOWN).collect()["extra"]
    return sorted({name for extra in some for name in json.loads(extra)})
