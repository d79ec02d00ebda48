"""Tables of vectors that users bring: for each row of the pool, and of each target, the vector of its key.

Does not belong here: reading the user's table (``storage.given_vectors``).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.specs.representation import VectorSource
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.given_vectors import GivenVectors, files_of, identity, read_vectors, width_of
from datasel_assets.storage.lake import Key
from datasel_assets.storage.shards import FAILED
from datasel_assets.storage.sorted_ids import positions
from datasel_assets.storage.vectors import vector_array, vector_type
from datasel_assets.tables.row_table import FAILED_SHARE, RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context, WholeTableError
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

GIVEN_VECTORS = Kind("given_vectors", per="source")
GIVEN_TARGET_VECTORS = Kind("given_target_vectors")

UNMATCHED = "unmatched"
"""Fact of a table: rows for which the user's table has no vector."""

COLUMN = "layer_0"
"""The vectors are treated as the only layer of an encoder, so that everything made from layers works on them."""


@dataclass(frozen=True)
class GivenLayers:
    """Layers that a user brings (see :class:`datasel_assets.tables.vectors.embeddings.EncoderLayers`)."""

    spec: VectorSource

    @property
    def slug(self) -> str:
        """Name of the tables: that of the user's table, and a hash of how it is read."""
        stem = re.sub("[^a-z0-9]+", "_", Path(str(self.spec.table)).stem.lower()).strip("_")
        return f"{stem or 'vectors'}_{digest(self.spec.model_dump(mode='json'))[:8]}"

    @property
    def key(self) -> Key:
        """Key of the table of the pool's layers, without the source."""
        return (GIVEN_VECTORS.name, self.slug)

    def target_key(self, target: str) -> Key:
        """Return the key of the table of a target's layers."""
        return (GIVEN_TARGET_VECTORS.name, self.slug, target)

    def identity(self) -> list[Any]:
        """Return what of the layers enters the fingerprint of what is made from them."""
        return [GIVEN_VECTORS.version, self.spec.model_dump(mode="json")]

    def fingerprint(self, warehouse: Warehouse) -> str:
        """Return the fingerprint of the table of layers: the user's table as it is now."""
        return _fingerprint(self.spec, warehouse)

    def columns(self, warehouse: Warehouse) -> list[str]:
        """Return the columns that hold layers."""
        return [COLUMN]

    def layer_numbers(self, warehouse: Warehouse) -> list[int]:
        """Return the numbers of the layers."""
        return [0]

    def width(self, warehouse: Warehouse) -> int:
        """Return the length of a vector."""
        return width_of(str(self.spec.table), self.spec.column, self.spec.key, warehouse.settings.data)


def given_vector_tables(specs: Iterable[VectorSource], targets: Sequence[str]) -> list[Table]:
    """Return the tables of all vectors that users bring; representations of the same vectors share them."""
    tables = []
    for layers in {GivenLayers(spec).slug: GivenLayers(spec) for spec in specs}.values():
        tables.append(_table(GIVEN_VECTORS, layers.key, ("corpus",), layers.spec))
        tables += [_table(GIVEN_TARGET_VECTORS, layers.target_key(t), ("targets", t), layers.spec) for t in targets]
    return tables


def _table(kind: Kind, key: Key, rows_of: Key, spec: VectorSource) -> Table:
    return RowTable(
        rows_of=rows_of,
        wants=lambda warehouse, source: Wanted(_fingerprint(spec, warehouse)),
        work=partial(_work, spec),
        compute=look_up,
        load=load_vectors,
        failed_share=FAILED_SHARE if kind is GIVEN_VECTORS else 0,
        facts=_facts,
        verify=_verify,
    ).table(
        kind=kind,
        key=key,
        description=f"Vectors of `{spec.table}` by the {spec.match} of each row of `{'/'.join(rows_of)}`.",
        group="aims" if kind is GIVEN_TARGET_VECTORS else "embeddings",
        reads=[rows_of],
        checks={"some_rows_have_a_vector": "at least one row of the source has a vector in the table"},
        version=digest([GIVEN_VECTORS.version, spec.model_dump(mode="json")]),
    )


def _fingerprint(spec: VectorSource, warehouse: Warehouse) -> str:
    settings = warehouse.settings
    files = files_of(str(spec.table), spec.key, settings.data)
    memory = settings.warehouse / "_cache" / "_vectors" / f"{GivenLayers(spec).slug}.json"
    return digest([GIVEN_VECTORS.version, spec.column, spec.match, identity(files, memory)])


def _work(spec: VectorSource, step: Step) -> Work:
    arguments = {"spec": spec.model_dump(mode="json"), "fingerprint": step.expected.fingerprint}
    given = load_vectors(step.warehouse, **arguments)
    rows_of = _upstream(step)
    names = step.warehouse.lake.scan(rows_of).select(spec.match).collect()[spec.match]
    unmatched = int((positions(names, given.keys) < 0).sum())
    if unmatched == len(names) and step.source:
        raise WholeTableError(
            f"{spec.table} has a vector for none of the {len(names):,} rows of {'/'.join(rows_of)}, looked up by "
            f"{spec.match} ({names[0]}); its keys are like {given.keys[0]}. Say under 'match' what they are"
        )
    dim = given.vectors.shape[1]
    schema = pa.schema([("row_id", pa.string()), (COLUMN, vector_type(dim)), ("given", pa.bool_())])
    reads = ["content_hash"] if spec.match == "content_hash" else []
    return Work(schema, reads, arguments, meta={"dim": dim, "layers": [0], UNMATCHED: unmatched})


def _upstream(step: Step) -> Key:
    key = step.expected.key
    return ("corpus", str(step.source)) if key[0] == GIVEN_VECTORS.name else ("targets", key[-1])


def load_vectors(warehouse: Warehouse, spec: Mapping[str, Any], fingerprint: str) -> GivenVectors:
    """Read the user's table; ``fingerprint`` only says which content it had."""
    data, scratch = warehouse.settings.data, warehouse.settings.warehouse / "_cache"
    return _read(str(spec["table"]), spec["column"], spec["key"], data, scratch, fingerprint)


@lru_cache(maxsize=1)
def _read(table: str, column: str, key: str, data: Path, scratch: Path, fingerprint: str) -> GivenVectors:
    """Read the user's table once for all sources and targets."""
    return read_vectors(table, column, key, data, scratch)


def look_up(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the vector of each row; all zero where the table has none. A vector that is not finite has failed."""
    given = context.loaded
    vectors, missing = given.of(rows[context.arguments["spec"]["match"]])
    finite = np.isfinite(vectors).all(axis=1)
    stored = np.where(finite[:, None], vectors, 0) * np.float32(given.scale)
    made = {
        "row_id": rows["row_id"].to_arrow(),
        COLUMN: vector_array(stored),
        "given": pa.array(~missing & finite),
        FAILED: pa.array([None if known else "the vector holds NaN or infinity" for known in finite], pa.string()),
    }
    return pa.table({name: made[name] for name in ("row_id", *context.columns, *([] if finite.all() else [FAILED]))})


def _facts(step: Step, update: Update) -> dict[str, Any]:
    return {"dimensions": update.info.meta["dim"], "rows_without_a_vector": update.info.meta[UNMATCHED]}


def _verify(step: Step, update: Update) -> dict[str, Check]:
    rows, unmatched = update.info.rows, update.info.meta[UNMATCHED]
    return {"some_rows_have_a_vector": Check(unmatched < rows or not step.source, {"rows": rows, UNMATCHED: unmatched})}
