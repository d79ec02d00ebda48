"""Tables where a model reads text: pooled hidden states of conversations. One table per encoder in use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Key, Lake
from datasel_assets.storage.vectors import vector_array, vector_block, vector_type
from datasel_assets.tables.row_table import FAILED_SHARE, RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update, key_of
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.encoder import Encoder

EMBEDDINGS = Kind("embeddings", version="2", per="source")
TARGET_EMBEDDINGS = Kind("target_embeddings", version="2")
EVALUATION_EMBEDDINGS = Kind("evaluation_embeddings", version="2")
DOCUMENT_EMBEDDINGS = Kind("document_embeddings")

UNIT_ROWS = 2048
"""A killed step loses at most this many rows of work; large enough that length-sorted batches stay full."""

CHECKS = {
    "covers_corpus": "every conversation of the upstream table has an embedding and no other row has one",
    "finite": "no NaN or infinity in any stored layer",
}


def layer_column(layer: int) -> str:
    """Return the column that holds ``layer`` (index in the hidden-state tuple)."""
    return f"layer_{layer}"


def encoder_code(spec: EncoderSpec) -> str:
    """Return the version of the code and parameters of an encoder, without looking at the model itself."""
    return digest([EMBEDDINGS.version, spec.identity()])


def encoder_fingerprint(warehouse: Warehouse, spec: EncoderSpec) -> str:
    """Return the fingerprint of what an encoder writes, its weights included; which layers are stored is not part."""
    return digest([encoder_code(spec), warehouse.shape(spec).digest])


@dataclass(frozen=True)
class EncoderLayers:
    """The layers that a representation is made from, where an encoder makes them.

    Another producer of vectors is a class with the same properties (see ``given.GivenLayers``): everything that is
    made from layers works on it.
    """

    spec: EncoderSpec

    @property
    def key(self) -> Key:
        """Key of the table of the pool's layers, without the source."""
        return (EMBEDDINGS.name, self.spec.slug)

    def target_key(self, target: str) -> Key:
        """Return the key of the table of a target's layers."""
        return (TARGET_EMBEDDINGS.name, self.spec.slug, target)

    def identity(self) -> list[Any]:
        """Return what of the layers enters the fingerprint of what is made from them."""
        return [encoder_code(self.spec), self.spec.layers]

    def fingerprint(self, warehouse: Warehouse) -> str:
        """Return the fingerprint of the table of layers."""
        return encoder_fingerprint(warehouse, self.spec)

    def columns(self, warehouse: Warehouse) -> list[str]:
        """Return the columns that hold layers."""
        return [layer_column(layer) for layer in self.layer_numbers(warehouse)]

    def layer_numbers(self, warehouse: Warehouse) -> list[int]:
        """Return the numbers of the layers."""
        return list(warehouse.shape(self.spec).layers(self.spec))

    def width(self, warehouse: Warehouse) -> int:
        """Return the length of a vector of one layer."""
        return warehouse.shape(self.spec).width


def embedding_tables(
    specs: Iterable[EncoderSpec], targets: Sequence[str], evaluations: Iterable[tuple[str, EncoderSpec]] = ()
) -> list[Table]:
    """Return the tables of every distinct encoder.

    Representations that differ only in layers share one encoder: the union of their layers is stored. ``evaluations``
    names those whose items are encoded, each with the encoder that does it.
    """
    by_slug: dict[str, list[EncoderSpec]] = {}
    for spec in specs:
        by_slug.setdefault(spec.slug, []).append(spec)
    tables = []
    for _, variants in sorted(by_slug.items()):
        tables.append(_pool_embeddings(variants))
        tables += [_query_embeddings(variants, TARGET_EMBEDDINGS, ("targets", target)) for target in targets]
    for name, spec in evaluations:
        tables.append(_query_embeddings(by_slug[spec.slug], EVALUATION_EMBEDDINGS, ("evaluations", name)))
    return tables


def document_embeddings(specs: Iterable[EncoderSpec], documents: str) -> list[Table]:
    """Return the tables of the vectors of documents, one for each distinct encoder; made when they are asked for."""
    by_slug: dict[str, list[EncoderSpec]] = {}
    for spec in specs:
        by_slug.setdefault(spec.slug, []).append(spec)
    made = [_query_embeddings(some, DOCUMENT_EMBEDDINGS, ("documents", documents)) for some in by_slug.values()]
    return [replace(table, on_demand=True) for table in made]


def _pool_embeddings(variants: Sequence[EncoderSpec]) -> Table:
    spec = variants[0]
    return _table(
        EMBEDDINGS,
        (EMBEDDINGS.name, spec.slug),
        ("corpus",),
        variants,
        f"Pooled hidden states of `{spec.model}` for every conversation, one float16 column per layer "
        f"({spec.pooling} pooling over at most {spec.max_tokens} tokens). Only rows that are new since the last "
        "run are encoded; finished shards survive a killed run.",
    )


def _query_embeddings(variants: Sequence[EncoderSpec], kind: Kind, rows_of: Key) -> Table:
    """Return the table of a few conversations that are not in the pool."""
    spec = variants[0]
    text = f"The texts of `{'/'.join(rows_of)}`, encoded exactly as the pool is by `{spec.model}`."
    return _table(kind, (kind.name, spec.slug, rows_of[-1]), rows_of, variants, text)


def _table(kind: Kind, key: Key, rows_of: Key, variants: Sequence[EncoderSpec], description: str) -> Table:
    spec = variants[0]
    return RowTable(
        rows_of=rows_of,
        wants=partial(_wants, key, variants),
        work=partial(_work, spec),
        compute=encode,
        load=load_encoder,
        unit_rows=UNIT_ROWS,
        failed_share=FAILED_SHARE if kind is EMBEDDINGS else 0,
        facts=partial(_facts, rows_of, spec),
        verify=_verify,
    ).table(
        kind=kind,
        key=key,
        description=description,
        group="aims" if kind in (TARGET_EMBEDDINGS, EVALUATION_EMBEDDINGS) else "embeddings",
        reads=[rows_of],
        checks=CHECKS,
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=encoder_code(spec),
    )


def _wants(key: Key, variants: Sequence[EncoderSpec], warehouse: Warehouse, source: str | None) -> Wanted:
    fingerprint = encoder_fingerprint(warehouse, variants[0])
    shape = warehouse.shape(variants[0])
    stored = warehouse.lake.info(key_of(key, source))
    wanted = sorted({layer for spec in variants for layer in shape.layers(spec)})
    if stored and stored.fingerprint == fingerprint and set(wanted) <= set(stored.meta["layers"]):
        wanted = stored.meta["layers"]
    return Wanted(fingerprint, {"layers": ",".join(map(str, wanted))})


def _work(spec: EncoderSpec, step: Step) -> Work:
    layers = _layers(step)
    dim = step.warehouse.shape(spec).width
    vectors = [(layer_column(layer), vector_type(dim)) for layer in layers]
    schema = pa.schema([("row_id", pa.string()), *vectors, ("n_tokens_encoded", pa.int32()), ("truncated", pa.bool_())])
    arguments = {"encoder": spec.model_copy(update={"layers": tuple(layers)}).model_dump(mode="json")}
    return Work(schema, ["messages"], arguments, meta={"layers": layers, "dim": dim, "model": spec.model})


def load_encoder(warehouse: Warehouse, encoder: Mapping[str, Any]) -> "Encoder":
    """Load the model of an encoder."""
    from datasel_assets.models.encoder import Encoder

    settings = warehouse.settings
    return Encoder(EncoderSpec.model_validate(encoder), device=settings.device, base=settings.data)


def encode(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the pooled layers of conversations."""
    encoded = context.loaded.encode(
        rows["messages"].to_list(), progress=lambda done, tokens: context.progress(done), dtype=np.float16
    )
    context.note(**asdict(encoded.stats))
    found = {
        "row_id": rows["row_id"].to_arrow(),
        **{layer_column(layer): vector_array(vectors) for layer, vectors in encoded.layers.items()},
        "n_tokens_encoded": pa.array(encoded.n_tokens, pa.int32()),
        "truncated": pa.array(encoded.truncated, pa.bool_()),
    }
    return pa.table({column: found[column] for column in ("row_id", *context.columns)})


def _facts(rows_of: Key, spec: EncoderSpec, step: Step, update: Update) -> dict[str, Any]:
    truncated = step.warehouse.lake.scan(step.expected.key).select(pl.col("truncated").mean()).collect().item() or 0.0
    return {
        "model": spec.model,
        "layers": ", ".join(map(str, _layers(step))),
        "truncated_share": round(float(truncated), 4),
        **encoding_costs(update.facts),
        "texts": table_link(*rows_of),
    }


def encoding_costs(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the model calls of one step cost together."""
    if not figures:
        return {"device": "none: every row was reused"}
    seconds = max(figures["seconds"], 1e-9)
    return {
        "device": figures["device"],
        "dtype": figures["dtype"],
        "engine": figures["engine"],
        "rows_encoded": figures["rows"],
        "tokens_encoded": figures["tokens"],
        "encoder_rows_per_second": round(figures["rows"] / seconds, 1),
        "encoder_tokens_per_second": round(figures["tokens"] / seconds, 1),
        "padding_share": round(1 - figures["tokens"] / max(figures["padded_tokens"], 1), 4),
        "template_fallbacks": figures["fallbacks"],
        "peak_memory_mb": round(figures["peak_memory_mb"], 1),
    }


def _verify(step: Step, update: Update) -> dict[str, Check]:
    layers = _layers(step)
    return {
        "covers_corpus": Check(True, {"rows": update.info.rows}),
        # The encoder refuses NaN, infinity and float16 overflow; this reads back what was published.
        "finite": Check(_finite(step.warehouse.lake, step.expected.key, layers), {"layers": len(layers)}),
    }


def _layers(step: Step) -> list[int]:
    return [int(layer) for layer in step.expected.inputs["layers"].split(",")]


def _finite(lake: Lake, key: Key, layers: Sequence[int]) -> bool:
    batches = lake.read_batches(key, [layer_column(layer) for layer in layers])
    return all(np.isfinite(vector_block(column, np.float16)).all() for batch in batches for column in batch.columns)
