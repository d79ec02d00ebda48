"""The proxy language model: a small Llama-style decoder trained on the pool itself.

Belongs here: a training from the rows to the folder. Not: its description (:mod:`~datasel_assets.specs.proxy`),
rows (``proxy_rows``), tokenizer (``proxy_tokenizer``) and loop (``proxy_training``), scoring with it (``causal_lm``).

The folder is an ordinary Hugging Face model. Rows enter in the order of a hash of their id and the seed, so the sample,
the held-out part and the order of training depend on the set of rows alone. On a CPU the same rows, specification,
library versions and number of threads give the same bytes, also when the training was killed and went on later.
"""

import json
import math
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.proxy_rows import (
    Conversation,
    blocks_of,
    contents,
    data_digest,
    draw_rows,
    pool_of,
    split_rows,
)
from datasel_assets.models.proxy_tokenizer import SPECIAL, train_tokenizer, unigram_counts
from datasel_assets.models.proxy_training import Progress, Trainer, flush, weights_name
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.atomic import fsync_folder
from datasel_assets.storage.fingerprint import digest

MANIFEST = "manifest.json"
UNIGRAM = "unigram.json"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class ProxyResult:
    """What a training did.

    Attributes:
        folder: the model.
        parameters: weights of the model.
        vocabulary: tokens that the pool gave, at most those of the specification.
        rows: training rows that were read.
        tokens: training tokens, repetitions counted.
        steps: optimiser steps that were taken.
        train_losses: loss of each step, in nats for a token.
        held_out_losses: (step, loss) of each evaluation.
        best_step: the step whose weights are in the folder.
        stopped_early: whether the held-out loss ended the training before the token budget.
        resumed_at: the step of the checkpoint that this call started from; 0 without one.
        seconds: wall time of this call.
    """

    folder: Path
    parameters: int
    vocabulary: int
    rows: int
    tokens: int
    steps: int
    train_losses: tuple[float, ...]
    held_out_losses: tuple[tuple[int, float], ...]
    best_step: int
    stopped_early: bool
    resumed_at: int
    seconds: float


def train_proxy_lm(
    rows: Sequence[Conversation | str] | pl.DataFrame,
    spec: ProxySpec,
    folder: Path,
    *,
    checkpoints: int = 0,
    progress: Progress | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
) -> ProxyResult:
    """Train a tokenizer and a model on ``rows`` and publish them at ``folder``.

    The folder appears, or is replaced, when the training is done. Until then checkpoints lie beside it in
    ``.<name>.training``; a call with the same rows and specification goes on from there.

    Args:
        rows: conversations (a text counts as one assistant message), or a pool as in ``proxy_rows``, of which only
            what the budgets reach is read.
        spec: the model.
        folder: where it goes.
        checkpoints: weights to keep in ``checkpoints/`` of the folder (see :func:`kept_checkpoints`): those at this
            many evaluations, from the first to the last at even distances. Where the training stops early with fewer
            evaluations, some are kept twice. The model itself does not depend on it.
        progress: called with (steps done, steps in all) after each step.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.
        precision: number format of the products; weights and their updates are float32.

    Raises:
        ValueError: fewer than two different rows have content, or the training has fewer evaluations than
            ``checkpoints``.
        FloatingPointError: the loss is not a number.
    """
    start = time.perf_counter()
    where = pick_device(device)
    dtype = pick_dtype(precision, where)
    pool = rows if isinstance(rows, pl.DataFrame) else pool_of(rows)
    # In one piece: gathering from several copies them all.
    messages = pool["messages"].rechunk()
    training, held_out = split_rows(draw_rows(pool, spec), spec)
    tokenizer = train_tokenizer(contents(messages, training, spec.tokenizer_chars), spec.vocabulary, spec.max_tokens)
    renderer = DialogueRenderer(tokenizer, "chat")
    blocks, used = blocks_of(tokenizer, renderer, messages, training, spec.token_budget, spec)
    unseen, _ = blocks_of(tokenizer, renderer, messages, held_out, spec.held_out_tokens, spec)
    identity = {
        "spec": spec.model_dump(),
        "data": data_digest(pool),
        "precision": str(dtype).removeprefix("torch."),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    model = _new_model(spec, tokenizer).to(where)
    trainer = Trainer(model, spec, blocks, unseen, where, dtype)
    evaluations = math.ceil(trainer.total_steps / spec.eval_steps)
    if checkpoints > evaluations:
        raise ValueError(
            f"{checkpoints} checkpoints are asked for, but {trainer.total_steps} steps have {evaluations} evaluations: "
            "lower eval_steps or checkpoints"
        )
    unfinished = folder.parent / f".{folder.name}.training"
    # A training that kept no weights on its way cannot go on as one that does.
    task = digest([identity, CHECKPOINTS] if checkpoints else identity)
    resumed_at = trainer.resume(unfinished, task)
    trainer.run(unfinished, task, progress, keep=checkpoints > 0)
    state = trainer.state
    counts = unigram_counts(tokenizer, contents(messages, training[:used], spec.tokenizer_chars))
    manifest = {
        **identity,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocabulary": len(counts),
        "rows": {"given": len(rows), "trained": used, "held_out": len(held_out)},
        "steps": state.step,
        "tokens": state.step * trainer.step_tokens,
        "best_step": state.best_step,
        "stopped_early": state.step < trainer.total_steps,
        "train_losses": state.train_losses,
        "held_out_losses": state.held_out_losses,
    }
    steps = [step for step, _ in state.held_out_losses]
    kept = [steps[i] for i in np.linspace(0, len(steps) - 1, checkpoints).round().astype(int)]
    _publish(folder, model, tokenizer, manifest, counts, [unfinished / weights_name(step) for step in kept])
    shutil.rmtree(unfinished)
    return ProxyResult(
        folder=folder,
        parameters=manifest["parameters"],
        vocabulary=manifest["vocabulary"],
        rows=used,
        tokens=manifest["tokens"],
        steps=state.step,
        train_losses=tuple(state.train_losses),
        held_out_losses=tuple(state.held_out_losses),
        best_step=state.best_step,
        stopped_early=manifest["stopped_early"],
        resumed_at=resumed_at,
        seconds=time.perf_counter() - start,
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what :func:`train_proxy_lm` wrote about the training of the model in ``folder``; ``None`` without one."""
    file = folder / MANIFEST
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def kept_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of the checkpoints of a model of :func:`train_proxy_lm`, in the order of training.

    Each is an ordinary Hugging Face model.
    """
    return sorted((folder / CHECKPOINTS).glob("[0-9]*"), key=lambda path: int(path.name))


def pool_drift(folder: Path, texts: Iterable[str]) -> float:
    """Return how far ``texts`` have moved from those that the proxy model in ``folder`` was trained on.

    The Jensen-Shannon divergence in bits of the token distributions, :func:`datasel_assets.arrays.drift.drift`.

    Args:
        folder: from :func:`train_proxy_lm`.
        texts: contents of messages of the pool, or of a sample of it.

    Raises:
        ValueError: the texts have no tokens.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    trained = np.array(json.loads((folder / UNIGRAM).read_text(encoding="utf-8")), np.int64)
    return drift(trained, unigram_counts(tokenizer, texts))


def _new_model(spec: ProxySpec, tokenizer: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        vocab_size=tokenizer.backend_tokenizer.get_vocab_size(),
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.kv_heads,
        intermediate_size=spec.intermediate,
        max_position_embeddings=spec.max_tokens,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        architectures=["LlamaForCausalLM"],
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _publish(
    folder: Path, model: Any, tokenizer: Any, manifest: dict[str, Any], counts: np.ndarray, checkpoints: list[Path]
) -> None:
    """Build the folder under a temporary name beside it and move it into place."""
    from safetensors.torch import load_file, save_file

    temporary, old = (folder.parent / f".{folder.name}.{kind}" for kind in ("new", "old"))
    for leftover in (temporary, old):
        if leftover.exists():
            shutil.rmtree(leftover)
    temporary.mkdir(parents=True)
    model.config.save_pretrained(temporary)
    save_file({k: v.cpu() for k, v in model.state_dict().items()}, temporary / "model.safetensors", {"format": "pt"})
    tokenizer.save_pretrained(temporary)
    plain = [0 if i < len(SPECIAL) else int(count) for i, count in enumerate(counts)]
    (temporary / UNIGRAM).write_text(json.dumps(plain), encoding="utf-8")
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (temporary / MANIFEST).write_text(text, encoding="utf-8")
    for number, weights in enumerate(checkpoints):
        checkpoint = temporary / CHECKPOINTS / str(number)
        checkpoint.mkdir(parents=True)
        model.config.save_pretrained(checkpoint)
        save_file(load_file(weights), checkpoint / "model.safetensors", {"format": "pt"})
        tokenizer.save_pretrained(checkpoint)
        flush(checkpoint)
    flush(temporary)
    if folder.exists():
        folder.replace(old)
    temporary.replace(folder)
    fsync_folder(folder.parent)
    if old.exists():
        shutil.rmtree(old)
