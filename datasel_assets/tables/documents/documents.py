"""The documents of each file in ``documents/``, as texts with titles.

Belongs here: the table. Does not belong here: what is drawn out of a document (``extractions``).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

import polars as pl
import pyarrow as pa

from datasel_assets.documents.html_text import html_text
from datasel_assets.specs.documents import DocumentsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers import FileEntry, Snapshot, SourceError, read_rows, snapshot
from datasel_assets.storage.readers.texts import read_text, text_kind
from datasel_assets.tables.shown import counts_table, sample_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

DOCUMENTS = Kind("documents", state=("_cache/_documents/{name}",))

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "title", "text", "path")),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ]
)
READ_CHARS = 4000
"""Characters of a document that an encoder is given; they are more tokens than it reads."""
BATCH, SHOWN = 1000, 5


def documents_table(name: str, spec: DocumentsSpec) -> Table:
    """Return the table of the documents of one file."""
    return Table(
        kind=DOCUMENTS,
        key=(DOCUMENTS.name, name),
        description=f"{spec.doc}\n\nThe documents `{name}`, each once, whatever files they stand in.",
        group="sources",
        expect=partial(_expect, name, spec),
        build=partial(_build, name, spec),
        on_demand=True,
        kinds=frozenset({"parquet"}),
        version=DOCUMENTS.version,
        columns={
            "row_id": "Of the document: a hash of its path and its text.",
            "messages": "The beginning of the document as an encoder is given it.",
        },
    )


def _expect(name: str, spec: DocumentsSpec, warehouse: Warehouse, source: str | None) -> Expected:
    options = [DOCUMENTS.version, spec.text, spec.title, spec.path, spec.limits.model_dump()]
    content = _snapshot(name, spec, warehouse).fingerprint
    return Expected((DOCUMENTS.name, name), digest(options), {"content": content})


def _snapshot(name: str, spec: DocumentsSpec, warehouse: Warehouse) -> Snapshot:
    cache = warehouse.settings.warehouse / "_cache" / "_documents"
    return snapshot(spec.located, name, warehouse.settings.data, cache)


def _build(name: str, spec: DocumentsSpec, step: Step) -> Built:
    refused: dict[str, int] = {}
    lake = step.warehouse.lake
    found = _documents(spec, _snapshot(name, spec, step.warehouse), refused)
    info = lake.write(step.expected, _batches(found, refused), schema=SCHEMA, with_ids=True)
    if not info.rows:
        why = "; ".join(f"{reason} ({count})" for reason, count in refused.items())
        raise SourceError(f"documents/{name}.yaml: none of the records is a document: {why or 'there are none'}")
    rows = lake.scan(step.expected.key).select("title", "path", characters=pl.col("text").str.len_chars())
    lengths = rows.select(pl.col("characters").sum(), longest=pl.col("characters").max()).collect().row(0)
    shown = {
        "licence": spec.licence or "not stated",
        "characters": lengths[0],
        "longest": lengths[1],
        "refused": sum(refused.values()),
        **({"reasons": counts_table(refused, "reason", "records")} if refused else {}),
        "documents": sample_table(rows.head(SHOWN).collect(), ["title", "path", "characters"], rows=SHOWN),
    }
    return Built(info, info.rows, metadata=shown)


def _documents(spec: DocumentsSpec, found: Snapshot, refused: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """Yield (title, text, path) of each document; reasons for the others are counted."""
    for part in found.parts:
        kind = text_kind(part) if isinstance(part, FileEntry) else None
        if isinstance(part, FileEntry) and kind is not None:
            try:
                text = read_text(part, spec.limits.file_bytes)
            except SourceError as error:
                _count(refused, str(error))
                continue
            title, text = html_text(text) if kind == "html" else ("", text)
            yield title or _first_heading(text) or part.path.stem, text, part.uri
            continue
        for row in read_rows(replace(found, parts=(part,)), spec.located):
            record = row.record if isinstance(row.record, dict) else {}
            text = record.get(spec.text)
            if not isinstance(text, str):
                _count(refused, row.reason or f"the record has no text in the field {spec.text!r}")
                continue
            title, path = (record.get(key) for key in (spec.title, spec.path))
            where = part.uri if isinstance(part, FileEntry) else ""
            yield str(title or _first_heading(text) or ""), text, str(path or f"{where}#{row.position}")


def _batches(found: Iterator[tuple[str, str, str]], refused: dict[str, int]) -> Iterator[pa.RecordBatch]:
    seen: set[str] = set()
    while some := list(islice(found, BATCH)):
        lines = []
        for title, text, path in some:
            row_id = digest([path, text])
            if not text.strip() or row_id in seen:
                _count(refused, "it repeats another" if text.strip() else "it is empty")
                continue
            seen.add(row_id)
            opening = f"{title}\n\n{text}"[:READ_CHARS]
            lines.append((row_id, title, text, path, [{"role": "user", "content": opening}]))
        yield pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, line, strict=True)) for line in lines], schema=SCHEMA)


def _first_heading(text: str) -> str:
    first = text.lstrip().split("\n", 1)[0].strip()
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _count(refused: dict[str, int], reason: str) -> None:
    refused[reason] = refused.get(reason, 0) + 1
