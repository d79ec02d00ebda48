"""Tables where a model reads the two sides of a row apart: the vector of the last question and that of its answer.

Belongs here: one table per encoder in use. Does not belong here: which texts the sides are, and what is made of them
(``indicators.pair_similarity``), conversations read as a whole (``embeddings``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators.pair_similarity import last_exchange
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key
from datasel_assets.storage.vectors import vector_array, vector_block, vector_type
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.embeddings import UNIT_ROWS, encoding_costs, load_encoder

SIDE_EMBEDDINGS = Kind("side_embeddings", per="source")

SIDES = ("prompt", "response")
ROLES = {"prompt": "user", "response": "assistant"}


def side_key(spec: EncoderSpec) -> Key:
    """Return the key of the table of an encoder, without the source."""
    return (SIDE_EMBEDDINGS.name, spec.slug)


def side_code(spec: EncoderSpec) -> str:
    """Return the version of the code and parameters of the table, without looking at the model itself."""
    return digest([SIDE_EMBEDDINGS.version, spec.identity(), spec.layers])


def side_tables(specs: Iterable[EncoderSpec]) -> list[Table]:
    """Return the table of each distinct encoder."""
    return [_table(spec) for _, spec in sorted({spec.slug: spec for spec in specs}.items())]


def _table(spec: EncoderSpec) -> Table:
    return RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: Wanted(digest([side_code(spec), warehouse.shape(spec).digest])),
        work=partial(_work, spec),
        compute=encode_sides,
        load=load_encoder,
        unit_rows=UNIT_ROWS,
        facts=lambda step, update: {"model": spec.model, **encoding_costs(update.facts)},
        verify=_verify,
    ).table(
        kind=SIDE_EMBEDDINGS,
        key=side_key(spec),
        description=(
            f"Two vectors for every conversation: of its last question and of the answer to it, each read alone by "
            f"`{spec.model}` ({spec.pooling} pooling over at most {spec.max_tokens} tokens), as float16. Only rows "
            "that are new since the last run are encoded."
        ),
        group="embeddings",
        reads=[("corpus",)],
        checks={"finite": "no NaN or infinity in any vector"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=side_code(spec),
        columns={
            "prompt": "Vector of the user's turns between the last two answers.",
            "response": "Vector of the last answer.",
        },
        lineage={side: [(("corpus",), "messages")] for side in SIDES},
    )


def _work(spec: EncoderSpec, step: Step) -> Work:
    dim = step.warehouse.shape(spec).width
    schema = pa.schema([("row_id", pa.string()), *((side, vector_type(dim)) for side in SIDES)])
    arguments: Mapping[str, Any] = {"encoder": spec.model_dump(mode="json")}
    return Work(schema, ["messages"], arguments, meta={"dim": dim, "model": spec.model})


def encode_sides(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the vectors of both sides of conversations."""
    pairs = [last_exchange(messages) for messages in rows["messages"].to_list()]
    made = {"row_id": rows["row_id"].to_arrow()}
    for place, (side, role) in enumerate(ROLES.items()):
        if side not in context.columns:
            continue
        # Progress is told in rows: the first side counts for nothing, the second for the rows.
        progress = (lambda done, tokens: context.progress(done)) if side == context.columns[-1] else None
        texts = [[{"role": role, "content": pair[place]}] for pair in pairs]
        encoded = context.loaded.encode(texts, progress=progress, dtype=np.float16)
        context.note(**asdict(encoded.stats))
        (vectors,) = encoded.layers.values()
        made[side] = vector_array(vectors)
    return pa.table({column: made[column] for column in ("row_id", *context.columns)})


def _verify(step: Step, update: Update) -> dict[str, Check]:
    batches = step.warehouse.lake.read_batches(step.expected.key, list(SIDES))
    # The encoder refuses what is not finite; this reads back what was published.
    finite = all(np.isfinite(vector_block(column, np.float16)).all() for batch in batches for column in batch.columns)
    return {"finite": Check(finite, {"rows": update.info.rows})}
