"""The table of rows whose conversation another row of the pool has. Not here: near duplicates (``near_duplicates``)."""

import polars as pl

from datasel_assets.corpus import exact_duplicates
from datasel_assets.corpus.duplicates import pairs_of_sources
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

DUPLICATES = Kind("duplicates")


def duplicates_table() -> Table:
    """Return the table of exact duplicates."""
    return Table(
        kind=DUPLICATES,
        key=(DUPLICATES.name,),
        description=(
            "Rows whose conversation another row of the pool has (equal up to white space and Unicode form), each with "
            "the row that stands for it: the first by source and id."
        ),
        group="sources",
        reads=[(CORPUS.name,)],
        expect=_expect,
        build=_build,
        checks={"representatives_stay": "no row that stands for others is itself listed as a duplicate"},
        kinds=frozenset({"parquet", "polars"}),
        version=DUPLICATES.version,
    )


def _expect(warehouse: Warehouse, source: str | None) -> Expected:
    return Expected((DUPLICATES.name,), digest([DUPLICATES.version]), warehouse.versions(CORPUS.name))


def _build(step: Step) -> Built:
    lake = step.warehouse.lake
    columns = ["row_id", "source", "content_hash"]
    frames = [lake.scan((CORPUS.name, source)).select(columns) for source in step.warehouse.active_sources()]
    pool = pl.concat(frames).collect() if frames else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    found = exact_duplicates(pool)
    info = lake.write(step.expected, found)
    return Built(
        info,
        found.height,
        metadata={
            "pool_rows": pool.height,
            "duplicates": found.height,
            "share_of_pool": round(found.height / max(pool.height, 1), 5),
            "by_source": sample_table(pairs_of_sources(found, pool), ["source", "of_source", "rows"], rows=20),
        },
        checks={
            "representatives_stay": Check(
                not found["duplicate_of"].is_in(found["row_id"].implode()).any(), {"duplicates": found.height}
            )
        },
    )
