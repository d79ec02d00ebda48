"""Assets where a model reads text: embeddings per source, target embeddings. One pair per encoder in use."""

import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import plan_increment, update_table
from datasel_assets.storage.lake import Expected, Key, Lake, TableInfo
from datasel_assets.tables import versions
from datasel_assets.tables.pool import vector_array, vector_block, vector_type
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.encoder import Encoder, EncodeStats

SHARD_ROWS = 2048
"""A killed step loses at most this many rows of work; large enough that length-sorted batches stay full."""


def layer_column(layer: int) -> str:
    """Return the column that holds ``layer`` (index in the hidden-state tuple)."""
    return f"layer_{layer}"


def encoder_code(spec: EncoderSpec) -> str:
    """Return the version of the code and parameters of an encoder, without looking at the model itself."""
    return digest([versions.EMBEDDINGS, spec.identity()])


def encoder_fingerprint(warehouse: Warehouse, spec: EncoderSpec) -> str:
    """Return the fingerprint of what an encoder writes, its weights included; which layers are stored is not part."""
    return digest([encoder_code(spec), warehouse.shape(spec).digest])


@lru_cache(maxsize=1)
def load_encoder(spec: EncoderSpec, device: str, base: Path) -> "Encoder":
    """Load the model once per process; the next encoder frees it."""
    from datasel_assets.models.encoder import Encoder

    return Encoder(spec, device=device, base=base)


def embedding_assets(
    specs: Iterable[EncoderSpec], targets: Sequence[str], evaluations: Iterable[tuple[str, EncoderSpec]] = ()
) -> list[Table]:
    """Return the assets of every distinct encoder.

    Representations that differ only in layers share one encoder: the union of their layers is stored. ``evaluations``
    names those whose items are encoded, each with the encoder that does it.
    """
    by_slug: dict[str, list[EncoderSpec]] = {}
    for spec in specs:
        by_slug.setdefault(spec.slug, []).append(spec)
    assets = []
    for slug, variants in sorted(by_slug.items()):
        assets.append(_embeddings(slug, variants))
        assets += [_query_embeddings(variants, "target_embeddings", ("targets", target)) for target in targets]
    for name, spec in evaluations:
        assets.append(_query_embeddings(by_slug[spec.slug], "evaluation_embeddings", ("evaluations", name)))
    return assets


def _embeddings(slug: str, variants: Sequence[EncoderSpec]) -> Table:
    spec = variants[0]

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return _expected(warehouse, ("embeddings", slug, str(source)), ("corpus", str(source)), variants)

    return Table(
        key=("embeddings", slug),
        description=(
            f"Pooled hidden states of `{spec.model}` for every conversation, one float16 column per layer "
            f"({spec.pooling} pooling over at most {spec.max_tokens} tokens). Only rows that are new since the last "
            "run are encoded; finished shards survive a killed run."
        ),
        group="embeddings",
        reads=[("corpus",)],
        expect=expect,
        build=lambda step: _encode(step, ("corpus", str(step.source)), spec),
        checks=_CHECKS,
        per="source",
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=encoder_code(spec),
    )


def _query_embeddings(variants: Sequence[EncoderSpec], group: str, table: Key) -> Table:
    """Return the asset that encodes a small table of conversations that are not in the pool."""
    spec = variants[0]
    key = (group, spec.slug, table[-1])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return _expected(warehouse, key, table, variants)

    return Table(
        key=key,
        description=f"The texts of `{'/'.join(table)}`, encoded exactly as the pool is by `{spec.model}`.",
        group=group,
        reads=[table],
        expect=expect,
        build=lambda step: _encode(step, table, spec),
        checks=_CHECKS,
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=encoder_code(spec),
    )


_CHECKS = {
    "covers_corpus": "every conversation of the upstream table has an embedding and no other row has one",
    "finite": "no NaN or infinity in any stored layer",
}


def _expected(warehouse: Warehouse, key: Key, upstream: Key, variants: Sequence[EncoderSpec]) -> Expected:
    fingerprint = encoder_fingerprint(warehouse, variants[0])
    shape = warehouse.shape(variants[0])
    stored = warehouse.lake.info(key)
    wanted = sorted({layer for spec in variants for layer in shape.layers(spec)})
    if stored and stored.fingerprint == fingerprint and set(wanted) <= set(stored.meta["layers"]):
        wanted = stored.meta["layers"]
    info = warehouse.lake.info(upstream)
    rows = info.meta["ids"] if info else "missing"
    return Expected(key, fingerprint, {"rows": rows, "layers": ",".join(map(str, wanted))})


def _encode(step: Step, upstream: Key, spec: EncoderSpec) -> Built:
    lake = step.warehouse.lake
    rows = lake.scan(upstream).select("row_id", "messages").collect()
    layers = [int(layer) for layer in step.expected.inputs["layers"].split(",")]
    encoder_layers = spec.model_copy(update={"layers": tuple(layers)})
    by_id = dict(zip(rows["row_id"], range(rows.height), strict=True))
    stats: list[EncodeStats] = []

    def compute(ids: list[str]) -> pa.Table:
        encoder = load_encoder(encoder_layers, step.warehouse.settings.device, step.warehouse.settings.data)
        start = sum(done.rows for done in stats)
        picked = rows["messages"].gather([by_id[i] for i in ids]).to_list()
        encoded = encoder.encode(
            picked, progress=lambda done, tokens: step.progress(start + done, to_do), dtype=np.float16
        )
        stats.append(encoded.stats)
        return pa.table(
            [
                pa.array(ids),
                *(vector_array(encoded.layers[layer]) for layer in layers),
                pa.array(encoded.n_tokens, pa.int32()),
                pa.array(encoded.truncated, pa.bool_()),
            ],
            names=["row_id", *map(layer_column, layers), "n_tokens_encoded", "truncated"],
        )

    def reusable(info: TableInfo) -> bool:
        return set(layers) <= set(info.meta["layers"])

    dim = step.warehouse.shape(spec).width
    schema = pa.schema(
        [
            ("row_id", pa.string()),
            *((layer_column(layer), vector_type(dim)) for layer in layers),
            ("n_tokens_encoded", pa.int32()),
            ("truncated", pa.bool_()),
        ]
    )
    ids = rows["row_id"].to_list()
    to_do = len(plan_increment(lake, step.expected, ids, reusable).new)
    update = update_table(
        lake,
        step.expected,
        ids,
        compute,
        schema=schema,
        shard_rows=SHARD_ROWS,
        meta={"layers": layers, "dim": dim, "model": spec.model},
        reusable=reusable,
    )
    table = lake.scan(step.expected.key)
    truncated = table.select(pl.col("truncated").mean()).collect().item() or 0.0
    metadata = {
        "model": spec.model,
        "layers": ", ".join(map(str, layers)),
        "truncated_share": round(float(truncated), 4),
        "rows_encoded": sum(done.rows for done in stats),
        **_costs(stats),
        "texts": table_link(*(upstream[:-1] if step.source else upstream)),
    }
    return Built.of(
        update,
        metadata,
        {
            "covers_corpus": Check(update.info.rows == rows.height, {"rows": rows.height}),
            # The encoder raises on NaN, infinity and float16 overflow, so what was published is finite.
            "finite": Check(_finite(lake, step.expected.key, layers), {"layers": len(layers)}),
        },
    )


def _costs(stats: Sequence["EncodeStats"]) -> dict[str, Any]:
    """Return what the model calls of one step cost together."""
    if not stats:
        return {"device": "none: every row was reused"}
    total = reduce(operator.add, stats)
    return {
        "device": total.device,
        "dtype": total.dtype,
        "engine": total.engine,
        "tokens_encoded": total.tokens,
        "encoder_rows_per_second": round(total.rows_per_s, 1),
        "encoder_tokens_per_second": round(total.tokens_per_s, 1),
        "padding_share": round(total.padding_share, 4),
        "template_fallbacks": total.fallbacks,
        "peak_memory_mb": round(total.peak_memory_mb, 1),
    }


def _finite(lake: Lake, key: Key, layers: Sequence[int]) -> bool:
    batches = lake.read_batches(key, [layer_column(layer) for layer in layers])
    return all(np.isfinite(vector_block(column, np.float16)).all() for batch in batches for column in batch.columns)
