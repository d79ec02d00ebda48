"""The tables of the items of each evaluation: every text that rows are compared with, in the shape of conversations.

Belongs here: which texts of an evaluation there are, and under which form. Does not belong here: what a record asks
(``corpus.contamination.items``), comparing (``contamination``).
"""

from collections.abc import Iterable
from functools import partial

import polars as pl
import pyarrow as pa

from datasel_assets.corpus.contamination import EvaluationItem, evaluation_items, halved
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers import Snapshot, SourceError, read_rows, snapshot
from datasel_assets.tables.shown import counts_table, sample_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

EVALUATIONS = Kind("evaluations", version="3", state=("_cache/_evaluations/{name}",))

SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("item", pa.string()),
        ("form", pa.string()),
        ("text", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("copy_of", pa.string()),
    ]
)
COMPARED, ANSWERED, HALVED = "compared", "answered", "halved"
"""Forms of a text: looked for by its words and its vector; by its vector alone (rows hold answers too); not at all: it
says how near a text is that has lost half of its words."""


def evaluation_table(name: str, spec: EvaluationSpec) -> Table:
    """Return the table of the items of one evaluation."""
    return Table(
        kind=EVALUATIONS,
        key=(EVALUATIONS.name, name),
        description=f"The items of the evaluation `{name}`, which no released row may repeat. {spec.doc}",
        group="aims",
        expect=partial(_expect, name, spec),
        build=partial(_build, name, spec),
        kinds=frozenset({"parquet"}),
        version=EVALUATIONS.version,
    )


def _expect(name: str, spec: EvaluationSpec, warehouse: Warehouse, source: str | None) -> Expected:
    found = _snapshot(warehouse, name)
    options = {**spec.item_options(), "limits": spec.limits.model_dump(), "vectors": spec.embedding is not False}
    return Expected((EVALUATIONS.name, name), digest([EVALUATIONS.version, options]), {"content": found.fingerprint})


def _build(name: str, spec: EvaluationSpec, step: Step) -> Built:
    lake, found = step.warehouse.lake, _snapshot(step.warehouse, name)
    read = evaluation_items(name, read_rows(found, spec), **spec.item_options())
    if not read.items:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in list(read.refused.items())[:5])
        raise SourceError(f"evaluation {name}: none of its {read.records} records can be compared: {reasons}")
    answered: Iterable[EvaluationItem] = ()
    if spec.embedding and spec.compare != "question_answer":
        options = {**spec.item_options(), "compare": "question_answer"}
        answered = evaluation_items(name, read_rows(found, spec), **options).items
    written = _lines(read.items, answered, copies=spec.embedding is not False)
    info = lake.write(step.expected, written, with_ids=True)
    examples = lake.scan(step.expected.key).filter(pl.col("form") == COMPARED).select("item", "text").collect()
    return Built(
        info,
        written.num_rows,
        metadata={
            "doc": spec.doc,
            "licence": spec.licence or "not stated",
            "records": read.records,
            "records_refused": sum(read.refused.values()),
            **({"refused_reasons": counts_table(dict(read.refused), "reason", "records")} if read.refused else {}),
            "compare": spec.compare,
            "tiers": ", ".join(spec.tiers),
            "keeps_rows_out_by": ", ".join(spec.blocking) or "none",
            "items": sample_table(examples, ["item", "text"], rows=8),
        },
    )


def _lines(compared: Iterable[EvaluationItem], answered: Iterable[EvaluationItem], *, copies: bool) -> pa.Table:
    """Return one line for each text of an evaluation, in the shape of conversations, so that it is encoded as rows."""
    lines: dict[str, tuple[str, str, str, list[dict[str, str]], str | None]] = {}

    def add(item: str, form: str, text: str, copy_of: str | None = None) -> str:
        row_id = digest([item, form, text])
        lines[row_id] = (item, form, text, [{"role": "user", "content": text}], copy_of)
        return row_id

    for entry in compared:
        row_id = add(entry.item, COMPARED, entry.text)
        if copies:
            add(entry.item, HALVED, halved(entry.text), row_id)
    for entry in answered:
        add(entry.item, ANSWERED, entry.text)
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, (row, *line), strict=True)) for row, line in lines.items()], schema=SCHEMA
    )


def _snapshot(warehouse: Warehouse, name: str) -> Snapshot:
    spec = warehouse.registry.evaluations[name]
    cache = warehouse.settings.warehouse / "_cache" / "_evaluations"
    return snapshot(spec, name, warehouse.settings.data, cache)
