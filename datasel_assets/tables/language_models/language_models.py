"""Assets of a causal language model: the proxy trained on the pool, token statistics, and the scores made of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.indicators.token_table import TokenStats
from datasel_assets.indicators.tokens import CHECKPOINT, CHOICES, CONDITIONED, NEEDS, PERTURBED, SUBNET, computable
from datasel_assets.models.proxy_lm import kept_checkpoints, pool_drift, read_manifest, train_proxy_lm
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.causal import CausalSpec
from datasel_assets.specs.language_model import LanguageModelSpec, Retrain
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key, StaleTableError
from datasel_assets.tables import versions
from datasel_assets.tables.scores.scores import (
    SCORE_CHECKS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    within_bounds,
)
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.causal_lm import CausalLM

SHARD_ROWS = 2048
TURN = {
    "turn": pl.Int32,
    "count": pl.Int64,
    "sum_logp": pl.Float64,
    "sum_entropy": pl.Float64,
    "sum_top1": pl.Float64,
    "sum_margin": pl.Float64,
    "min_margin": pl.Float64,
    "sum_el2n": pl.Float64,
    "sum_hit": pl.Float64,
    "truncated": pl.Boolean,
    "reason": pl.String,
}
"""An entry of a context: one assistant turn, as in ``TokenStats``; of ``choices`` one choice in one prompt."""

RECORDS = {
    "token": (pl.Int32, "Ids of the response tokens, turn after turn; `conditioned` has the count of each turn."),
    "token_logp": (pl.Float32, "Natural log-probability of each."),
    "token_entropy": (pl.Float16, "Entropy of the prediction there, in nats."),
    "token_top1": (pl.Float16, "Largest probability there."),
    "token_top2": (pl.Float16, "Second largest probability there."),
    "token_sum_p2": (pl.Float16, "Sum of the squared probabilities there."),
    "token_hit": (pl.Boolean, "Whether the token is the most likely one."),
}
"""Columns with an entry for each response token: type of the entries, what they mean."""


def language_model_assets(name: str, spec: LanguageModelSpec) -> list[Table]:
    """Return the assets of one file in ``language_models/``, upstream first."""
    made = [_tokens(name, spec), _scores(name, spec)]
    return [_proxy(name, spec), *made] if spec.is_local else made


def proxy_key(name: str) -> Key:
    """Return the key of the asset that trains the proxy."""
    return ("proxy_lm", name)


def model_folder(warehouse: Warehouse, name: str) -> Path:
    """Return where the proxy lies, once it is trained."""
    return warehouse.settings.warehouse / "models" / name


def trained_folder(warehouse: Warehouse, name: str) -> Path:
    """Return the folder of the proxy that its table tells of.

    Raises:
        MissingTableError: it was never trained.
        StaleTableError: the folder holds another training.
    """
    folder = model_folder(warehouse, name)
    if warehouse.lake.require(proxy_key(name)).inputs["folder"] != _trained(folder):
        raise StaleTableError(
            f"{folder} holds another training than its table tells of: materialise {'/'.join(proxy_key(name))} again"
        )
    return folder


def _proxy(name: str, spec: LanguageModelSpec) -> Table:
    proxy, retrain = spec.proxy or ProxySpec(), spec.retrain or Retrain()
    fingerprint = digest([versions.PROXY_LM, proxy.model_dump()])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The folder is an input too: the table alone, without its model, is no model.
        own = {"folder": _trained(model_folder(warehouse, name)), "drift": f"{retrain.drift:g}"}
        kept = {"checkpoints": str(spec.n_checkpoints)} if spec.n_checkpoints else {}
        return Expected(proxy_key(name), fingerprint, {**warehouse.versions("corpus"), **own, **kept})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        folder = model_folder(warehouse, name)
        rows = _conversations(warehouse)
        stored = warehouse.lake.info(step.expected.key)
        found = read_manifest(folder)
        moved = result = None
        # A run may have been killed when its model was there and this table was not: the folder says what was trained.
        if stored and stored.fingerprint == fingerprint and found and found["spec"] == proxy.model_dump():
            picked = hash_sample(rows["row_id"], retrain.sample, 0)
            texts = [m["content"] for messages in rows["messages"].gather(picked) for m in messages]
            moved = pool_drift(folder, texts)
        lacking = spec.n_checkpoints not in (0, len(kept_checkpoints(folder)))
        if moved is None or moved > retrain.drift or lacking:
            result = train_proxy_lm(
                rows,
                proxy,
                folder,
                checkpoints=spec.n_checkpoints,
                progress=step.progress,
                device=warehouse.settings.device,
            )
        training = read_manifest(folder)
        assert training, "a trained model says how it was trained"
        curve = _curve(training["train_losses"], training["held_out_losses"])
        meta = {
            **{fact: training[fact] for fact in ("parameters", "vocabulary", "tokens", "steps")},
            "rows": training["rows"]["trained"],
            **{fact: training[fact] for fact in ("best_step", "stopped_early")},
            "weights": _weights(folder),
        }
        made = replace(step.expected, inputs={**step.expected.inputs, "folder": _trained(folder)})
        info = warehouse.lake.write(made, curve, data_version=digest([fingerprint, meta["weights"]]), meta=meta)
        facts: dict[str, Any] = {} if moved is None else {"drift_bits": moved, "retrains_at": retrain.drift}
        if result:
            facts["resumed_at_step"] = result.resumed_at
            facts["tokens_per_second"] = round(result.tokens / max(result.seconds, 1e-9), 1)
        known = stored is not None and stored.meta.get("weights") == meta["weights"]
        if moved is None:
            facts["trained"] = "yes: first training"
        elif moved > retrain.drift:
            facts["trained"] = f"yes: the pool has moved by {moved:.3f} bits"
        elif lacking:
            facts["trained"] = f"yes: {spec.n_checkpoints} checkpoints are asked for"
        elif known:
            facts["trained"] = "no: the pool has hardly moved"
        else:
            facts["trained"] = "yes: by a run that ended before it was recorded"
        new = 0 if known and not result else curve.height
        return Built(info, new, curve.height - new, metadata={**facts, **_proxy_facts(curve, meta)})

    return Table(
        key=proxy_key(name),
        description=(
            "A small Llama-style model and its tokenizer, trained on the pool itself, for scores where no larger model "
            f"is at hand. Trained again when the pool's tokens have moved by {retrain.drift:g} bits (Jensen-Shannon)."
        ),
        group="language_models",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        runs_model=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        version=fingerprint,
    )


def _tokens(name: str, spec: LanguageModelSpec) -> Table:
    contexts = _context_names(spec)
    types = _types(spec)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        wanted = _token_versions(spec, _model_version(warehouse, name, spec), _checkpoint_versions(warehouse, spec))
        return Expected(("tokens", name, str(source)), columns_fingerprint(wanted), {"rows": rows})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        rows = warehouse.lake.scan(("corpus", str(step.source))).select("row_id", "messages").collect()
        place = dict(zip(rows["row_id"], range(rows.height), strict=True))
        version = _model_version(warehouse, name, spec)
        wanted = _token_versions(spec, version, _checkpoint_versions(warehouse, spec))
        checkpoints = [f"{CHECKPOINT}_{k}" for k in range(spec.n_checkpoints)]
        facts = {"fallbacks": 0}

        def compute(ids: list[str], columns: list[str]) -> pl.DataFrame:
            messages = rows["messages"].gather([place[row] for row in ids]).to_list()
            made = {"row_id": pl.Series(ids, dtype=pl.String)}
            device, base = warehouse.settings.device, warehouse.settings.data
            if columns[0] in checkpoints:
                [context] = columns
                checkpoint = _checkpoints(warehouse, name, spec)[checkpoints.index(context)]
                lm = _load(checkpoint, device, base, wanted[context])
                return pl.DataFrame({**made, context: _column(lm.token_stats(lm.conditioned(messages)))})
            lm = _load(_causal(warehouse, name, spec), device, base, version)
            for context, stats, fallbacks in _passes(lm, spec, messages, set(columns)):
                made[context] = _column(stats)
                facts["fallbacks"] += fallbacks if context == "conditioned" else 0
                if stats.tokens is not None:
                    made |= _records(stats)
            return pl.DataFrame({column: made[column] for column in ("row_id", *columns)})

        update = update_columns(
            warehouse.lake,
            step.expected,
            rows["row_id"].to_list(),
            wanted,
            compute,
            dtypes=types,
            apart=checkpoints,
            shard_rows=SHARD_ROWS,
            on_shard=step.progress,
        )
        table = warehouse.lake.scan(step.expected.key)
        return Built.of(
            update,
            {
                "model": spec.causal.model,
                "contexts": ", ".join(contexts),
                **facts,
                **_coverage(table, contexts),
                "corpus": table_link("corpus"),
            },
            {"covers_corpus": Check(update.info.rows == rows.height, {"rows": rows.height})},
        )

    described = {column: text for column, (_, text) in RECORDS.items()} if spec.records else {}
    return Table(
        key=("tokens", name),
        description=(
            f"One teacher-forced pass of `{spec.causal.model}` per context over every conversation: sums of "
            "log-probability, entropy, confidence, margin, EL2N and hits over the response tokens of each turn. A "
            "context that is added reads the pool by itself; the others stay."
        ),
        group="language_models",
        reads=[("corpus",), *([proxy_key(name)] if spec.is_local else [])],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line of statistics for every conversation"},
        per="source",
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        version=columns_fingerprint(_token_versions(spec, "", [""] * spec.n_checkpoints)),
        columns=described,
    )


def _scores(name: str, spec: LanguageModelSpec) -> Table:
    family = computable(spec.scored_under)
    reads = {indicator: _read_by(indicator, spec) for indicator in family}

    def wanted(warehouse: Warehouse, source: str | None) -> dict[str, str]:
        info = warehouse.lake.info(("tokens", name, str(source)))
        stored = info.meta.get("columns", {}) if info else {}
        return {
            indicator: digest([found.version, [stored.get(context, "missing") for context in reads[indicator]]])
            for indicator, found in family.items()
        }

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("tokens", name, str(source)))
        rows = info.meta["ids"] if info else "missing"
        return Expected(("scores", name, str(source)), columns_fingerprint(wanted(warehouse, source)), {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        table = lake.scan(("tokens", name, str(step.source))).select("row_id", *_context_names(spec)).collect()
        place = dict(zip(table["row_id"], range(table.height), strict=True))

        def compute(ids: list[str], columns: list[str]) -> pl.DataFrame:
            part = table[[place[row] for row in ids]]
            needed = {context: _stats(part[context]) for column in columns for context in reads[column]}
            made = {column: family[column](needed).astype(np.float32) for column in columns}
            return within_bounds(pl.DataFrame({"row_id": ids, **made}), family)

        update = update_columns(
            lake, step.expected, table["row_id"].to_list(), wanted(step.warehouse, step.source), compute
        )
        return Built.of(update, score_facts(step, family), score_checks(step, table.height, family))

    return Table(
        key=("scores", name),
        description=f"What `{spec.causal.model}` finds hard, likely or surprising in a row: one column per indicator.",
        group="scores",
        reads=[("corpus",), ("tokens", name)],
        expect=expect,
        build=build,
        checks=SCORE_CHECKS,
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={indicator: [(("tokens", name), context) for context in reads[indicator]] for indicator in family},
    )


def _context_names(spec: LanguageModelSpec) -> tuple[str, ...]:
    """Return the contexts in the token table: numbered ones are one column each."""
    names = [CONDITIONED, *(c for c in spec.contexts if c.startswith("unconditioned"))]
    if PERTURBED in spec.contexts:
        names += [f"{PERTURBED}_{k}" for k in range(spec.copies)]
    if SUBNET in spec.contexts:
        names += [f"{SUBNET}_{k}" for k in range(len(spec.subnet_rates))]
    names += [f"{CHECKPOINT}_{k}" for k in range(spec.n_checkpoints)]
    return (*names, *(c for c in spec.contexts if c == CHOICES))


def _read_by(indicator: str, spec: LanguageModelSpec) -> list[str]:
    """Return the columns of the token table that an indicator is made from."""
    needs = NEEDS.get(indicator, (CONDITIONED,))
    return [name for name in _context_names(spec) if name in needs or name.rstrip("0123456789").rstrip("_") in needs]


def _types(spec: LanguageModelSpec) -> dict[str, pl.DataType]:
    """Return the types of the columns of the token table."""
    types: dict[str, pl.DataType] = dict.fromkeys(_context_names(spec), pl.List(pl.Struct(TURN)))
    return types | ({column: pl.List(dtype) for column, (dtype, _) in RECORDS.items()} if spec.records else {})


def _token_versions(spec: LanguageModelSpec, model: str, checkpoints: Sequence[str]) -> dict[str, str]:
    """Return what each column of the token table depends on, so that a new one does not compute the others again."""
    common = [versions.TOKENS, spec.causal.model_dump(), model]
    extra: dict[str, Any] = {f"{SUBNET}_{k}": rate for k, rate in enumerate(spec.subnet_rates)}
    extra |= {f"{CHECKPOINT}_{k}": version for k, version in enumerate(checkpoints)}
    extra[CHOICES] = spec.choice_orders
    return {column: digest([*common, column, extra.get(column)]) for column in _types(spec)}


def _passes(
    lm: "CausalLM", spec: LanguageModelSpec, messages: list[Any], columns: set[str]
) -> Iterator[tuple[str, TokenStats, int]]:
    """Yield (context, statistics, rows that the chat template refused) of ``columns``, one pass at a time.

    The statistics of the conditioned context hold the record of each token where a column wants it.
    """
    conditioned = lm.conditioned(messages)
    records = not columns.isdisjoint(RECORDS)
    if records or CONDITIONED in columns:
        yield CONDITIONED, lm.token_stats(conditioned, keep_tokens=records), conditioned.fallbacks
    for form in ("bare", "header"):
        if f"unconditioned_{form}" in columns:
            yield f"unconditioned_{form}", lm.token_stats(lm.unconditioned(messages, form)), 0
    if any(column.startswith(f"{PERTURBED}_") for column in columns):
        for k, requests in enumerate(lm.perturbed(messages, copies=spec.copies)):
            if f"{PERTURBED}_{k}" in columns:
                yield f"{PERTURBED}_{k}", lm.token_stats(requests), 0
    for k, rate in enumerate(spec.subnet_rates):
        if f"{SUBNET}_{k}" in columns:
            with lm.subnet(rate, seed=k):
                yield f"{SUBNET}_{k}", lm.token_stats(conditioned), 0
    if CHOICES in columns:
        yield CHOICES, lm.token_stats(lm.choices(messages, orders=spec.choice_orders)), 0


def _column(stats: TokenStats) -> pl.Series:
    """Return the turns of each row as a list of structs."""
    columns = stats.columns()
    turns = pl.DataFrame({name: columns[name] for name in TURN}, schema=TURN).to_struct()
    return _listed(turns, np.bincount(columns["row"], minlength=stats.n_rows))


def _records(stats: TokenStats) -> dict[str, pl.Series]:
    """Return the record of each token of each row as lists."""
    assert stats.tokens is not None
    counts = np.bincount(stats.row, stats.count, stats.n_rows).astype(np.int64)
    made = {}
    for column, (dtype, _) in RECORDS.items():
        values = getattr(stats.tokens, column.removeprefix("token_"))
        values = values.astype(np.float16) if dtype == pl.Float16 else values
        made[column] = _listed(pl.Series(values, dtype=dtype), counts)
    return made


def _listed(values: pl.Series, counts: np.ndarray) -> pl.Series:
    """Return ``values`` cut into a list for each row."""
    ends = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    lists = pa.LargeListArray.from_arrays(ends, values.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return pl.Series(pl.from_arrow(lists)).cast(pl.List(values.dtype))


def _coverage(table: pl.LazyFrame, contexts: Sequence[str]) -> dict[str, Any]:
    """Return what was scored in the whole table, and why what was not was not."""
    turns = table.select(CONDITIONED).explode(CONDITIONED).drop_nulls().unnest(CONDITIONED).collect()
    facts: dict[str, Any] = {
        "turns": turns.height,
        "scored_tokens": int(turns["count"].sum()),
        "turns_truncated": int(turns["truncated"].sum()),
    }
    shown = [context for context in contexts if not context[-1].isdigit()]
    for context in shown:
        reasons = table.select(pl.col(context).list.eval(pl.element().struct.field("reason"))).explode(context)
        found = reasons.filter(pl.col(context) != "").group_by(context).len().sort("len", context, descending=True)
        facts |= {f"not scored, {context}: {reason}": count for reason, count in found.collect().iter_rows()}
    return facts


def _stats(column: pl.Series) -> TokenStats:
    """Return the statistics behind a column of the token table."""
    lengths = column.list.len().to_numpy()
    turns = column.explode().drop_nulls().struct.unnest() if lengths.sum() else pl.DataFrame(schema=TURN)
    arrays = {name: turns[name].to_numpy() for name in TURN if name != "reason"}
    reason = turns["reason"].to_numpy().astype(object)
    row = np.repeat(np.arange(len(column)), lengths)
    return TokenStats.from_columns({"row": row, **arrays, "reason": reason}, len(column))


def _causal(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> CausalSpec:
    if not spec.is_local:
        return spec.causal
    return spec.causal.model_copy(update={"model": str(trained_folder(warehouse, name))})


def _model_version(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> str:
    if spec.is_local:
        return warehouse.lake.version(proxy_key(name))
    return model_shape(spec.causal.model, spec.causal.revision, warehouse.settings.data).digest


def _checkpoints(warehouse: Warehouse, name: str, spec: LanguageModelSpec) -> list[CausalSpec]:
    """Return how rows are read under each checkpoint, in the order of training."""
    if isinstance(spec.checkpoints, tuple):
        return [
            spec.causal.model_copy(update={"model": found.model or spec.causal.model, "revision": found.revision})
            for found in spec.checkpoints
        ]
    folders = kept_checkpoints(trained_folder(warehouse, name))
    return [spec.causal.model_copy(update={"model": str(folder)}) for folder in folders]


def _checkpoint_versions(warehouse: Warehouse, spec: LanguageModelSpec) -> list[str]:
    """Return what tells each checkpoint from others; those of the proxy follow from its training."""
    if isinstance(spec.checkpoints, int):
        return [f"{k} of {spec.checkpoints}" for k in range(spec.checkpoints)]
    return [
        model_shape(found.model or spec.causal.model, found.revision, warehouse.settings.data).digest
        for found in spec.checkpoints
    ]


@lru_cache(maxsize=1)
def _load(spec: CausalSpec, device: str, base: Path, version: str) -> "CausalLM":
    """Load the model once per process; the next one frees it, also where a new training took the folder's name."""
    from datasel_assets.models.causal_lm import CausalLM

    return CausalLM(spec, device=device, base=base)


def _conversations(warehouse: Warehouse) -> pl.DataFrame:
    frames = [
        warehouse.lake.scan(("corpus", source)).select("row_id", "content_hash", "messages")
        for source in warehouse.active_sources()
    ]
    return pl.concat(frames).collect()


def _trained(folder: Path) -> str:
    """Return what tells the training of a model in ``folder`` from others."""
    manifest = read_manifest(folder)
    return digest(manifest) if manifest else "no"


def _curve(train: Sequence[float], held_out: Sequence[tuple[int, float]]) -> pl.DataFrame:
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
    state = hashlib.blake2b(digest_size=16)
    for file in sorted(folder.glob("*")):
        if file.suffix in (".safetensors", ".json"):
            state.update(file.name.encode() + b"\0" + file.read_bytes())
    return state.hexdigest()
