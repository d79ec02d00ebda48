"""Assets where a model reads text: embeddings per source, target embeddings. One pair per encoder in use."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.defs import versions
from datasel_assets.defs.display import asset_link
from datasel_assets.defs.pool import vector_array, vector_type
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.models.shape import model_shape
from datasel_assets.registry.encoder import EncoderSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected, Key, TableInfo

if TYPE_CHECKING:
    from datasel_assets.models.encoder import Encoder

SHARD_ROWS = 2048
"""A killed step loses at most this many rows of work; large enough that length-sorted batches stay full."""


def layer_column(layer: int) -> str:
    """Return the column that holds ``layer`` (index in the hidden-state tuple)."""
    return f"layer_{layer}"


def encoder_fingerprint(spec: EncoderSpec) -> str:
    """Return the fingerprint of what an encoder writes; which layers are stored is not part of it."""
    return digest([versions.EMBEDDINGS, spec.identity()])


@lru_cache(maxsize=1)
def load_encoder(spec: EncoderSpec, device: str) -> "Encoder":
    """Load the model once per process; the next encoder frees it."""
    from datasel_assets.models.encoder import Encoder

    return Encoder(spec, device=device)


def embedding_assets(specs: Iterable[EncoderSpec], targets: Sequence[str]) -> list[TableAsset]:
    """Return the assets of every distinct encoder.

    Representations that differ only in layers share one encoder: the union of their layers is stored.
    """
    by_slug: dict[str, list[EncoderSpec]] = {}
    for spec in specs:
        by_slug.setdefault(spec.slug, []).append(spec)
    assets = []
    for slug, variants in sorted(by_slug.items()):
        assets.append(_embeddings(slug, variants))
        assets += [_target_embeddings(slug, variants, target) for target in targets]
    return assets


def _embeddings(slug: str, variants: Sequence[EncoderSpec]) -> TableAsset:
    spec = variants[0]

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return _expected(warehouse, ("embeddings", slug, str(source)), ("corpus", str(source)), variants)

    return TableAsset(
        key=("embeddings", slug),
        description=(
            f"Pooled hidden states of `{spec.model}` for every conversation, one float16 column per layer "
            f"({spec.pooling} pooling over at most {spec.max_tokens} tokens). Only rows that are new since the last "
            "run are encoded; finished shards survive a killed run."
        ),
        group="embeddings",
        deps=[("corpus",)],
        expect=expect,
        build=lambda step: _encode(step, ("corpus", str(step.source)), spec),
        checks=_CHECKS,
        partitioned=True,
        gpu=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        code_version=encoder_fingerprint(spec),
    )


def _target_embeddings(slug: str, variants: Sequence[EncoderSpec], target: str) -> TableAsset:
    spec = variants[0]
    table = ("targets", target)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return _expected(warehouse, ("target_embeddings", slug, target), table, variants)

    return TableAsset(
        key=("target_embeddings", slug, target),
        description=f"The examples of target `{target}`, encoded exactly as the pool is by `{spec.model}`.",
        group="targets",
        deps=[table],
        expect=expect,
        build=lambda step: _encode(step, table, spec),
        checks=_CHECKS,
        gpu=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        code_version=encoder_fingerprint(spec),
    )


_CHECKS = {
    "covers_corpus": "every conversation of the upstream table has an embedding and no other row has one",
    "finite": "no NaN or infinity in any stored layer",
}


def _expected(warehouse: Warehouse, key: Key, upstream: Key, variants: Sequence[EncoderSpec]) -> Expected:
    fingerprint = encoder_fingerprint(variants[0])
    stored = warehouse.lake.info(key)
    wanted = sorted({layer for spec in variants for layer in model_shape(spec).layers(spec)})
    if stored and stored.fingerprint == fingerprint and set(wanted) <= set(stored.meta["layers"]):
        wanted = stored.meta["layers"]
    info = warehouse.lake.info(upstream)
    rows = info.meta["ids"] if info else "missing"
    return Expected(key, fingerprint, {"rows": rows, "layers": ",".join(map(str, wanted))})


def _encode(step: Step, upstream: Key, spec: EncoderSpec) -> Built:
    lake = step.warehouse.lake
    rows = lake.scan(upstream).select("row_id", "messages").collect()
    layers = [int(layer) for layer in step.expected.inputs["layers"].split(",")]
    stored = lake.info(step.expected.key)
    encoder_layers = spec.model_copy(update={"layers": layers})
    by_id = dict(zip(rows["row_id"], range(rows.height), strict=True))
    stats: dict[str, float] = {"rows": 0, "tokens": 0, "truncated": 0, "seconds": 0.0, "bad": 0}
    used: list[Encoder] = []

    def compute(ids: list[str]) -> pa.Table:
        encoder = load_encoder(encoder_layers, step.warehouse.settings.device)
        used[:] = [encoder]
        picked = rows["messages"].gather([by_id[i] for i in ids]).to_list()
        encoded = encoder.encode(picked)
        stats["rows"] += len(ids)
        stats["tokens"] += int(encoded.n_tokens.sum())
        stats["truncated"] += int(encoded.truncated.sum())
        stats["bad"] += sum(int((~np.isfinite(v)).sum()) for v in encoded.layers.values())
        if stats["bad"]:
            raise ValueError(
                f"{spec.model} gave NaN or infinity for {stats['bad']} values; try precision: float32 in the encoder"
            )
        return pa.table(
            [
                pa.array(ids),
                *(vector_array(np.clip(encoded.layers[layer], -65504, 65504)) for layer in layers),
                pa.array(encoded.n_tokens, pa.int32()),
                pa.array(encoded.truncated, pa.bool_()),
            ],
            names=["row_id", *map(layer_column, layers), "n_tokens_encoded", "truncated"],
        )

    def reusable(info: TableInfo) -> bool:
        return set(layers) <= set(info.meta["layers"])

    same = stored is not None and stored.fingerprint == step.expected.fingerprint
    dim = stored.meta["dim"] if stored and same else model_shape(spec).hidden_size
    schema = pa.schema(
        [
            ("row_id", pa.string()),
            *((layer_column(layer), vector_type(dim)) for layer in layers),
            ("n_tokens_encoded", pa.int32()),
            ("truncated", pa.bool_()),
        ]
    )
    update = update_table(
        lake,
        step.expected,
        rows["row_id"].to_list(),
        compute,
        schema=schema,
        shard_rows=SHARD_ROWS,
        meta={"layers": layers, "dim": dim, "model": spec.model},
        reusable=reusable,
        on_shard=step.progress,
    )
    table = lake.scan(step.expected.key)
    truncated = table.select(pl.col("truncated").mean()).collect().item() or 0.0
    metadata = {
        "model": spec.model,
        "layers": ", ".join(map(str, layers)),
        "truncated_share": round(float(truncated), 4),
        "rows_encoded": int(stats["rows"]),
        "tokens_encoded": int(stats["tokens"]),
        "corpus": asset_link("corpus"),
        **(used[0].report() if used else {"device": "not used: every row was reused"}),
    }
    same = table.select(pl.len()).collect().item() == rows.height
    return Built.of(
        update,
        metadata,
        {"covers_corpus": Check(same, {"rows": rows.height}), "finite": Check(stats["bad"] == 0)},
    )
