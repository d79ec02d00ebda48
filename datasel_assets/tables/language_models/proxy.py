"""The table of a proxy language model: how it was trained on the pool, and where it lies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.models.proxy_folder import (
    kept_checkpoints,
    loss_curve,
    moments_file,
    pool_drift,
    read_manifest,
    training_digest,
    training_facts,
    weights_digest,
)
from datasel_assets.models.proxy_lm import ProxyResult, train_proxy_lm
from datasel_assets.models.proxy_rows import Pool
from datasel_assets.models.retraining import reason_to_train, said_of_training
from datasel_assets.specs.language_model import LanguageModelSpec, Retrain
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, TableInfo
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.shown import picture
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.trained_models import PROXY_LM, model_folder, proxy_key
from datasel_assets.tables.warehouse import Warehouse


def proxy_table(name: str, spec: LanguageModelSpec, *, moments: bool = False, checkpoints: int = 0) -> Table:
    """Return the table of the model that one file in ``language_models/`` has trained on the pool.

    Args:
        name: of the file.
        spec: what it says.
        moments: something in use reads the moments of Adam, so that the training keeps them.
        checkpoints: how many something in use reads, where the file itself names none.
    """
    checkpoints = spec.n_checkpoints or checkpoints
    proxy, retrain = spec.proxy or ProxySpec.model_validate({}), spec.retrain or Retrain()
    fingerprint = digest([PROXY_LM.version, proxy.model_dump()])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The folder is an input too: the table alone, without its model, is no model.
        own = {"folder": training_digest(model_folder(warehouse, name)), "drift": f"{retrain.drift:g}"}
        kept = {"checkpoints": str(checkpoints)} if checkpoints else {}
        kept |= {"moments": "yes"} if moments else {}
        return Expected(proxy_key(name), fingerprint, {**warehouse.versions("corpus"), **own, **kept})

    def build(step: Step) -> Built:
        lake, folder = step.warehouse.lake, model_folder(step.warehouse, name)
        stored, pool = lake.info(step.expected.key), pool_conversations(step.warehouse)
        moved = _moved(stored, fingerprint, folder, proxy, pool, retrain.sample)
        found = kept_checkpoints(folder)
        lacks = moments and not all(moments_file(model).is_file() for model in (folder, *found))
        reason = reason_to_train(moved, retrain.drift, checkpoints, len(found), lacks_moments=lacks)
        result = _train(step, pool, proxy, folder, checkpoints, moments) if reason else None
        training = read_manifest(folder)
        assert training, "a trained model says how it was trained"
        curve, facts, weights = loss_curve(training), training_facts(training), weights_digest(folder)
        made = replace(step.expected, inputs={**step.expected.inputs, "folder": training_digest(folder)})
        version = digest([fingerprint, weights])
        info = lake.write(made, curve, data_version=version, meta={**facts, "weights": weights})
        recorded = stored is not None and stored.meta.get("weights") == weights
        new = 0 if recorded and not result else curve.height
        drift = {} if moved is None else {"drift_bits": moved, "retrains_at": retrain.drift}
        said = {"trained": said_of_training(reason, recorded=recorded)}
        shown = {**drift, **_speed(result), **said, **facts, **_losses(curve)}
        return Built(info, new, curve.height - new, metadata=shown)

    return Table(
        kind=PROXY_LM,
        key=proxy_key(name),
        description=(
            "A small Llama-style model and its tokenizer, trained on the pool itself, for scores where no larger model "
            f"is at hand. Trained again when the pool's tokens have moved by {retrain.drift:g} bits (Jensen-Shannon)."
        ),
        group="models",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        runs_model=True,
        kinds=frozenset({"safetensors", "pytorch"}),
        version=fingerprint,
    )


def _moved(
    stored: TableInfo | None, fingerprint: str, folder: Path, proxy: ProxySpec, pool: Pool, sample: int
) -> float | None:
    """Return how far the pool has moved since the training; None where no model of this description is recorded.

    A run may have been killed when its model was there and the table was not: the folder says what was trained.
    """
    found = read_manifest(folder)
    if not (stored and stored.fingerprint == fingerprint and found and found["spec"] == proxy.model_dump()):
        return None
    rows = pool.read(hash_sample(pool.names["row_id"].to_numpy(), sample, 0)).to_list()
    return pool_drift(folder, (message["content"] for messages in rows for message in messages))


def _train(step: Step, pool: Pool, proxy: ProxySpec, folder: Path, checkpoints: int, moments: bool) -> ProxyResult:
    device, kept = step.warehouse.settings.device, {"checkpoints": checkpoints, "moments": moments}
    return train_proxy_lm(pool, proxy, folder, progress=step.progress, device=device, **kept)


def _speed(result: ProxyResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    rate = round(result.tokens / max(result.seconds, 1e-9), 1)
    return {"resumed_at_step": result.resumed_at, "tokens_per_second": rate}


def _losses(curve: pl.DataFrame) -> dict[str, Any]:
    measured = curve.drop_nulls("held_out_loss")
    losses = measured["held_out_loss"].to_numpy()
    png = plots.loss_curve(
        curve["step"].to_numpy(), curve["train_loss"].to_numpy(), measured["step"].to_numpy(), losses
    )
    return {
        "held_out_loss": float(losses.min()) if len(losses) else float("nan"),
        "plot: loss": picture(png, "loss of the proxy model"),
    }
