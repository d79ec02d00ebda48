"""MinHash signatures of the conversations of each source, and those of the whole pool as arrays.

Belongs here: the table of signatures and reading it beside the corpus. Does not belong here: signatures themselves
(``corpus.minhash``), which rows are alike (``near_duplicates``).
"""

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus.minhash import Signatures, signatures
from datasel_assets.specs.duplicates import NearSpec
from datasel_assets.specs.minhash import MinHashSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.scratch import scratch_array
from datasel_assets.storage.vectors import vector_block
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

MINHASH = Kind("minhash", per="source")

TEXT = pl.concat_str("prompt", "response", separator="\n")
"""The text of a conversation that is compared."""


def minhash_table(spec: NearSpec) -> Table:
    """Return the table of the signatures of each source."""
    fingerprint = digest([MINHASH.version, spec.shingles.model_dump()])
    return RowTable(
        rows_of=(CORPUS.name,),
        wants=lambda warehouse, source: Wanted(fingerprint),
        work=partial(_work, spec.shingles),
        compute=sign,
        facts=partial(_facts, spec.shingles),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=MINHASH,
        key=(MINHASH.name,),
        description=(
            f"MinHash signatures of whole conversations over {spec.shingles.n} {spec.shingles.unit}s, 4 bytes a slot. "
            "Those of old rows are never computed again."
        ),
        group="duplicates",
        reads=[(CORPUS.name,)],
        checks={"covers_corpus": "one signature for every conversation"},
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def sign(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the signatures of conversations."""
    spec = MinHashSpec.model_validate(context.arguments["shingles"])
    return signatures(rows.select(TEXT).to_series(), spec).to_frame(rows["row_id"]).select("row_id", *context.columns)


def pool_signatures(warehouse: Warehouse, spec: MinHashSpec) -> Signatures:
    """Return the signatures of the pool: sources by name, rows as they lie in the corpus.

    A row whose signature could not be computed has no shingle. Memory: (4 slots + 12) bytes per row, mapped from a
    temporary file where they are many, and the ids of one source.

    Raises:
        ValueError: a row of a corpus has no line in the table of signatures.
    """
    lake, sources = warehouse.lake, warehouse.active_sources()
    rows = sum(lake.require((CORPUS.name, source)).rows for source in sources)
    values = scratch_array(lake.root, (rows, spec.slots), np.uint32)
    sizes, digests = np.zeros(rows, np.int32), np.zeros(rows, np.uint64)
    start = 0
    for source in sources:
        height, places = _places(warehouse, source)
        done = 0
        for batch in lake.read_batches((MINHASH.name, source), ["signature", "n_shingles", "shingle_digest"]):
            place = places[done : done + batch.num_rows]
            done += batch.num_rows
            there = place >= 0
            at = place[there] + start
            values[at] = vector_block(batch.column(0), np.uint32)[there]
            sizes[at] = _numbers(batch.column(1), np.int32)[there]
            digests[at] = _numbers(batch.column(2), np.uint64)[there]
        start += height
    return Signatures(values, sizes, digests)


def _work(spec: MinHashSpec, step: Step) -> Work:
    schema = pa.schema(
        [
            ("row_id", pa.string()),
            ("signature", pa.list_(pa.uint32(), spec.slots)),
            ("n_shingles", pa.int32()),
            ("shingle_digest", pa.uint64()),
        ]
    )
    return Work(schema, ["prompt", "response"], {"shingles": spec.model_dump()})


def _facts(spec: MinHashSpec, step: Step, update: Update) -> dict[str, Any]:
    return {"unit": spec.unit, "n": spec.n, "slots": spec.slots, "corpus": table_link(CORPUS.name)}


def _places(warehouse: Warehouse, source: str) -> tuple[int, np.ndarray]:
    """Return how many rows the corpus has, and the place in it of each line of signatures; -1 if its row is gone."""
    lake = warehouse.lake
    rows = lake.scan((CORPUS.name, source)).select("row_id").with_row_index("place").collect()
    lines = lake.scan((MINHASH.name, source)).select("row_id").collect()
    places = lines.join(rows, on="row_id", how="left", maintain_order="left")["place"].cast(pl.Int64).fill_null(-1)
    if missing := rows.height - int((places >= 0).sum()):
        raise ValueError(
            f"{missing:,} rows of corpus/{source} have no signature: bring {MINHASH.name}/{source} up to date first"
        )
    return rows.height, places.to_numpy()


def _numbers(column: pa.Array, dtype: type) -> np.ndarray:
    return column.fill_null(0).to_numpy(zero_copy_only=False).astype(dtype, copy=False)
