"""Assets of a causal language model: the proxy trained on the pool, token statistics, and the scores made of them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.clusters.hash_sample import hash_sample
from datasel_assets.defs import versions
from datasel_assets.defs.display import asset_link, picture
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.scores import (
    SCORE_CHECKS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    within_bounds,
)
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.diagnostics import plots
from datasel_assets.indicators.token_table import TokenStats
from datasel_assets.indicators.tokens import TOKENS
from datasel_assets.models.causal_lm import CausalSpec
from datasel_assets.models.shape import model_shape
from datasel_assets.registry.language_model import LanguageModelSpec
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected, Key

if TYPE_CHECKING:
    from datasel_assets.models.causal_lm import CausalLM

SHARD_ROWS = 2048
FIELDS = pa.list_(
    pa.struct(
        [
            ("turn", pa.int32()),
            ("count", pa.int64()),
            ("sum_logp", pa.float64()),
            ("sum_entropy", pa.float64()),
            ("sum_top1", pa.float64()),
            ("sum_margin", pa.float64()),
            ("min_margin", pa.float64()),
            ("sum_el2n", pa.float64()),
            ("sum_hit", pa.float64()),
            ("truncated", pa.bool_()),
            ("reason", pa.string()),
        ]
    )
)
"""One context of one row: an entry for each assistant turn, as in ``TokenStats``."""


def language_model_assets(name: str, spec: LanguageModelSpec) -> list[TableAsset]:
    """Return the assets of one file in ``language_models/``, upstream first."""
    made = [_tokens(name, spec), _scores(name, spec)]
    return [_proxy(name, spec), *made] if spec.is_local else made


def proxy_key(name: str) -> Key:
    """Return the key of the asset that trains the proxy."""
    return ("proxy_lm", name)


def model_folder(warehouse: Warehouse, name: str) -> Path:
    """Return the folder of the trained proxy."""
    return warehouse.settings.warehouse / "models" / name


def _proxy(name: str, spec: LanguageModelSpec) -> TableAsset:
    from datasel_assets.models.proxy_lm import ProxySpec
    from datasel_assets.registry.language_model import Retrain

    proxy, retrain = spec.proxy or ProxySpec(), spec.retrain or Retrain()
    fingerprint = digest([versions.PROXY_LM, proxy.model_dump()])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The folder is an input too: the table alone, without its model, is no model.
        there = "yes" if model_folder(warehouse, name).is_dir() else "no"
        return Expected(proxy_key(name), fingerprint, {**warehouse.versions("corpus"), "folder": there})

    def build(step: Step) -> Built:
        from datasel_assets.models.proxy_lm import pool_drift, train_proxy_lm

        warehouse = step.warehouse
        folder = model_folder(warehouse, name)
        rows = _conversations(warehouse)
        stored = warehouse.lake.info(step.expected.key)
        made = replace(step.expected, inputs={**step.expected.inputs, "folder": "yes"})
        moved = None
        if stored and stored.fingerprint == fingerprint and folder.is_dir():
            picked = hash_sample(rows["row_id"].to_list(), retrain.sample, 0)
            texts = [m["content"] for messages in rows["messages"].gather(picked) for m in messages]
            moved = pool_drift(folder, texts)
            if moved <= retrain.drift:
                kept = warehouse.lake.scan(step.expected.key).collect()
                info = warehouse.lake.write(
                    made, kept, data_version=stored.data_version, meta={**stored.meta, "drift": moved}
                )
                facts = {"drift_bits": moved, "retrains_at": retrain.drift, "trained": "no: the pool has hardly moved"}
                return Built(info, 0, kept.height, metadata={**facts, **_proxy_facts(kept, stored.meta)})
        result = train_proxy_lm(
            rows["messages"].to_list(),
            proxy,
            folder,
            ids=rows["row_id"].to_list(),
            progress=step.progress,
            device=warehouse.settings.device,
        )
        curve = _curve(result.train_losses, result.held_out_losses)
        meta = {
            "parameters": result.parameters,
            "vocabulary": result.vocabulary,
            "rows": result.rows,
            "tokens": result.tokens,
            "steps": result.steps,
            "best_step": result.best_step,
            "stopped_early": result.stopped_early,
            "weights": _weights(folder),
        }
        info = warehouse.lake.write(made, curve, data_version=digest([fingerprint, meta["weights"]]), meta=meta)
        why = "first training" if moved is None else f"the pool has moved by {moved:.3f} bits"
        return Built(
            info,
            curve.height,
            metadata={
                "trained": f"yes: {why}",
                "resumed_at_step": result.resumed_at,
                "tokens_per_second": round(result.tokens / max(result.seconds, 1e-9), 1),
                **_proxy_facts(curve, meta),
            },
        )

    return TableAsset(
        key=proxy_key(name),
        description=(
            "A small Llama-style model and its tokenizer, trained on the pool itself, for scores where no larger model "
            f"is at hand. Trained again when the pool's tokens have moved by {retrain.drift:g} bits (Jensen-Shannon)."
        ),
        group="language_models",
        deps=[("corpus",)],
        expect=expect,
        build=build,
        gpu=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        code_version=fingerprint,
    )


def _tokens(name: str, spec: LanguageModelSpec) -> TableAsset:
    contexts = _context_names(spec)
    code = digest([versions.TOKENS, spec.causal.model_dump(), contexts, spec.subnet_rates])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        fingerprint = digest([code, _model_version(warehouse, name, spec)])
        return Expected(("tokens", name, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        rows = warehouse.lake.scan(("corpus", str(step.source))).select("row_id", "messages").collect()
        place = dict(zip(rows["row_id"], range(rows.height), strict=True))
        schema = pa.schema([("row_id", pa.string()), *((context, FIELDS) for context in contexts)])
        counts = {"turns": 0, "truncated": 0, "skipped": 0, "fallbacks": 0, "scored_tokens": 0}

        def compute(ids: list[str]) -> pa.Table:
            version = _model_version(warehouse, name, spec)
            lm = _load(_causal(warehouse, name, spec), warehouse.settings.device, warehouse.settings.data, version)
            messages = rows["messages"].gather([place[row] for row in ids]).to_list()
            columns = {}
            for context, stats in _passes(lm, spec, messages):
                columns[context] = _column(stats)
                if context == "conditioned":
                    counts["turns"] += len(stats.row)
                    counts["truncated"] += stats.n_truncated
                    counts["skipped"] += stats.n_skipped
                    counts["scored_tokens"] += int(stats.count.sum())
            return pa.table([pa.array(ids), *(columns[context] for context in contexts)], schema=schema)

        update = update_table(
            warehouse.lake,
            step.expected,
            rows["row_id"].to_list(),
            compute,
            schema=schema,
            shard_rows=SHARD_ROWS,
            meta={"contexts": list(contexts)},
            on_shard=step.progress,
        )
        return Built.of(
            update,
            {"model": spec.causal.model, "contexts": ", ".join(contexts), **counts, "corpus": asset_link("corpus")},
            {"covers_corpus": Check(update.info.rows == rows.height, {"rows": rows.height})},
        )

    return TableAsset(
        key=("tokens", name),
        description=(
            f"One teacher-forced pass of `{spec.causal.model}` per context over every conversation: sums of "
            "log-probability, entropy, confidence, margin, EL2N and hits over the response tokens of each turn."
        ),
        group="language_models",
        deps=[("corpus",), *([proxy_key(name)] if spec.is_local else [])],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line of statistics for every conversation"},
        partitioned=True,
        gpu=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        code_version=code,
    )


def _scores(name: str, spec: LanguageModelSpec) -> TableAsset:
    family = {indicator: TOKENS[indicator] for indicator in spec.indicators}

    def wanted(warehouse: Warehouse, source: str | None) -> dict[str, str]:
        info = warehouse.lake.info(("tokens", name, str(source)))
        return column_versions(family, info.fingerprint if info else "missing")

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("tokens", name, str(source)))
        rows = info.meta["ids"] if info else "missing"
        return Expected(("scores", name, str(source)), columns_fingerprint(wanted(warehouse, source)), {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        table = lake.scan(("tokens", name, str(step.source))).collect()
        place = dict(zip(table["row_id"], range(table.height), strict=True))

        def compute(ids: list[str], columns: list[str]) -> pl.DataFrame:
            part = table[[place[row] for row in ids]]
            contexts = {context: _stats(part[context]) for context in part.columns if context != "row_id"}
            made = {column: family[column](contexts).astype(np.float32) for column in columns}
            return within_bounds(pl.DataFrame({"row_id": ids, **made}), family)

        update = update_columns(
            lake, step.expected, table["row_id"].to_list(), wanted(step.warehouse, step.source), compute
        )
        return Built.of(update, score_facts(step, family), score_checks(step, table.height, family))

    return TableAsset(
        key=("scores", name),
        description=f"What `{spec.causal.model}` finds hard, likely or surprising in a row: one column per indicator.",
        group="scores",
        deps=[("corpus",), ("tokens", name)],
        expect=expect,
        build=build,
        checks=SCORE_CHECKS,
        partitioned=True,
        kinds=frozenset({"parquet", "numpy"}),
        code_version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={indicator: [(("tokens", name), context) for context in _context_names(spec)] for indicator in family},
    )


def _context_names(spec: LanguageModelSpec) -> tuple[str, ...]:
    """Return the columns of the token table: numbered contexts are one column each."""
    names = ["conditioned", *(c for c in spec.contexts if c.startswith("unconditioned"))]
    if "perturbed" in spec.contexts:
        names += [f"perturbed_{k}" for k in range(spec.copies)]
    if "subnet" in spec.contexts:
        names += [f"subnet_{k}" for k in range(len(spec.subnet_rates))]
    return tuple(names)


def _passes(lm: "CausalLM", spec: LanguageModelSpec, messages: list[Any]) -> Iterator[tuple[str, TokenStats]]:
    """Yield the statistics of each context, one pass of the model at a time."""
    conditioned = lm.conditioned(messages)
    yield "conditioned", lm.token_stats(conditioned)
    for form in ("bare", "header"):
        if f"unconditioned_{form}" in spec.contexts:
            yield f"unconditioned_{form}", lm.token_stats(lm.unconditioned(messages, form))
    if "perturbed" in spec.contexts:
        for k, requests in enumerate(lm.perturbed(messages, copies=spec.copies)):
            yield f"perturbed_{k}", lm.token_stats(requests)
    if "subnet" in spec.contexts:
        for k, stats in enumerate(lm.subnet_stats(conditioned, rates=spec.subnet_rates)):
            yield f"subnet_{k}", stats


def _column(stats: TokenStats) -> pa.Array:
    """Return the turns of each row as a list of structs."""
    columns = stats.columns()
    arrays = [pa.array(columns[field.name], type=field.type) for field in FIELDS.value_type]
    turns = pa.StructArray.from_arrays(arrays, fields=list(FIELDS.value_type))
    ends = np.cumsum(np.bincount(columns["row"], minlength=stats.n_rows))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), turns).cast(FIELDS)


def _stats(column: pl.Series) -> TokenStats:
    """Return the statistics behind a column of the token table."""
    lengths = column.list.len().to_numpy()
    turns = column.explode().drop_nulls().struct.unnest() if lengths.sum() else None
    row = np.repeat(np.arange(len(column)), lengths)
    if turns is None:
        empty = {field.name: np.empty(0, field.type.to_pandas_dtype()) for field in FIELDS.value_type}
        return TokenStats.from_columns({"row": row, **empty}, len(column))
    arrays = {name: turns[name].to_numpy() for name in turns.columns if name not in ("min_margin", "reason")}
    arrays["min_margin"] = turns["min_margin"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    arrays["reason"] = turns["reason"].to_numpy().astype(object)
    return TokenStats.from_columns({"row": row, **arrays}, len(column))


def _causal(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> CausalSpec:
    if not spec.is_local:
        return spec.causal
    warehouse.lake.require(proxy_key(name))
    return spec.causal.model_copy(update={"model": str(model_folder(warehouse, name))})


def _model_version(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> str:
    if spec.is_local:
        return warehouse.lake.version(proxy_key(name))
    return model_shape(spec.causal.model, spec.causal.revision, warehouse.settings.data).digest


@lru_cache(maxsize=1)
def _load(spec: CausalSpec, device: str, base: Path, version: str) -> "CausalLM":
    """Load the model once per process; the next one frees it, also where a new training took the folder's name."""
    from datasel_assets.models.causal_lm import CausalLM

    return CausalLM(spec, device=device, base=base)


def _conversations(warehouse: Warehouse) -> pl.DataFrame:
    frames = [
        warehouse.lake.scan(("corpus", source)).select("row_id", "messages") for source in warehouse.active_sources()
    ]
    return pl.concat(frames).collect().sort("row_id")


def _curve(train: tuple[float, ...], held_out: tuple[tuple[int, float], ...]) -> pl.DataFrame:
    seen = dict(held_out)
    steps = range(1, len(train) + 1)
    return pl.DataFrame(
        {"step": list(steps), "train_loss": list(train), "held_out_loss": [seen.get(step) for step in steps]},
        schema={"step": pl.Int32, "train_loss": pl.Float32, "held_out_loss": pl.Float32},
    )


def _proxy_facts(curve: pl.DataFrame, meta: dict[str, Any]) -> dict[str, Any]:
    measured = curve.drop_nulls("held_out_loss")
    best = float(measured["held_out_loss"].min()) if measured.height else float("nan")  # type: ignore[arg-type]
    png = plots.loss_curve(
        curve["step"].to_numpy(),
        curve["train_loss"].to_numpy(),
        measured["step"].to_numpy(),
        measured["held_out_loss"].to_numpy(),
    )
    shown = {key: value for key, value in meta.items() if key not in ("weights", "drift")}
    return {**shown, "held_out_loss": best, "plot: loss": picture(png, "loss of the proxy model")}


def _weights(folder: Path) -> str:
    import hashlib

    state = hashlib.blake2b(digest_size=16)
    for file in sorted(folder.glob("*")):
        if file.suffix in (".safetensors", ".json"):
            state.update(file.name.encode() + b"\0" + file.read_bytes())
    return state.hexdigest()
