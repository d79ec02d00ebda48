"""The table of the files of a source. Does not belong here: what stands in them (``conversations``)."""

from collections.abc import Sequence

import polars as pl

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.readers import Snapshot, SourceError, snapshot
from datasel_assets.storage.release.licences import UNKNOWN
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

RAW_CORPUS = Kind("raw_corpus", per="source", state=("_cache/{name}",))

SCHEMA = {
    "uri": pl.String,
    "path": pl.String,
    "bytes": pl.Int64,
    "digest": pl.String,
}


def raw_corpus_table(reads: Sequence[Key] = ()) -> Table:
    """Return the table of the files of each source.

    Args:
        reads: keys of tables whose rows are a source of the pool.
    """
    return Table(
        kind=RAW_CORPUS,
        key=(RAW_CORPUS.name,),
        description="The files of a source as they are now: found, fetched where they are remote, and hashed.",
        group="sources",
        reads=list(reads),
        expect=_expect,
        build=_build,
        kinds=frozenset({"file"}),
        version=RAW_CORPUS.version,
        refreshed_daily=True,
    )


def take_snapshot(warehouse: Warehouse, source: str) -> tuple[SourceSpec, Snapshot]:
    """Find the files of a source; files that have not been touched since the last time are not hashed again.

    Raises:
        SourceError: the source has no valid registry file, or its files cannot be found.
    """
    spec = warehouse.registry.sources.get(source)
    if spec is None:
        problem = warehouse.registry.errors.get(f"sources/{source}.yaml")
        raise SourceError(problem or f"source {source!r} has no file in {warehouse.settings.data / 'sources'}")
    cache = warehouse.settings.warehouse / "_cache"
    return spec, snapshot(spec, source, warehouse.settings.data, cache)


def licences(warehouse: Warehouse) -> dict[str, str]:
    """Return active source -> licence, as its file said it when it could last be read."""
    found = {name: warehouse.lake.info((RAW_CORPUS.name, name)) for name in warehouse.active_sources()}
    return {name: info.inputs.get("licence", UNKNOWN) for name, info in found.items() if info}


def _expect(warehouse: Warehouse, source: str | None) -> Expected:
    spec, found = take_snapshot(warehouse, str(source))
    inputs = {"content": found.fingerprint, "licence": spec.licence or UNKNOWN}
    return Expected((RAW_CORPUS.name, str(source)), digest([RAW_CORPUS.version]), inputs)


def _build(step: Step) -> Built:
    spec, found = take_snapshot(step.warehouse, str(step.source))
    rows = [(f.uri, str(f.path), f.bytes, f.digest) for f in found.files]
    files = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    # What reads the rows is not made anew for another licence; releases look for it with :func:`licences`.
    version = digest([step.expected.fingerprint, {"content": found.fingerprint}])
    info = step.warehouse.lake.write(step.expected, files, data_version=version)
    notes = [file.note for file in found.files if file.note]
    return Built(
        info,
        len(found.parts),
        metadata={
            "uri": ", ".join(spec.uris),
            "licence": spec.licence or "not stated",
            "megabytes": round(found.bytes / 1e6, 3),
            "content": found.fingerprint,
            "files": sample_table(files, ["uri", "bytes", "digest"], rows=20),
            "notes": "; ".join(notes) or "none",
        },
        rows_total=len(found.parts),
    )
