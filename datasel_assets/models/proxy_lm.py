"""The proxy language model: a small Llama-style decoder trained on the pool itself.

Belongs here: a training from the rows to the folder. Not: its description (:mod:`~datasel_assets.specs.proxy`),
rows (``proxy_rows``), tokenizer (``proxy_tokenizer``), loop (``proxy_training``) and folder (``proxy_folder``), scoring
with it (``causal_lm``).

Rows enter in the order of a hash of their id and the seed, so the sample, the held-out part and the order of training
depend on the set of rows alone. On a CPU the same rows, specification, library versions and number of threads give the
same bytes, also when the training was killed and went on later.
"""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.proxy_folder import CHECKPOINTS, MOMENTS, kept_steps, publish
from datasel_assets.models.proxy_rows import (
    Conversation,
    DrawnRows,
    Pool,
    blocks_of,
    contents,
    data_digest,
    draw_rows,
    pool_of,
    split_rows,
)
from datasel_assets.models.proxy_tokenizer import train_tokenizer, unigram_counts
from datasel_assets.models.proxy_training import Progress, Trainer, moments_name, weights_name
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.fingerprint import digest


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
    rows: Sequence[Conversation | str] | Pool,
    spec: ProxySpec,
    folder: Path,
    *,
    checkpoints: int = 0,
    moments: bool = False,
    progress: Progress | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
) -> ProxyResult:
    """Train a tokenizer and a model on ``rows`` and publish them at ``folder``.

    The folder appears, or is replaced, when the training is done. Until then checkpoints lie beside it in
    ``.<name>.training``; a call with the same rows and specification goes on from there.

    Args:
        rows: conversations (a text counts as one assistant message), or a pool, of which only what the budgets reach
            is read.
        spec: the model.
        folder: where it goes.
        checkpoints: weights to keep in ``checkpoints/`` of the folder (see ``proxy_folder.kept_checkpoints``): those
            at this many evaluations, from the first to the last at even distances. Where the training stops early with
            fewer evaluations, some are kept twice. The model itself does not depend on it.
        moments: keep what Adam remembers with the model and with each checkpoint (see ``proxy_folder.moments_file``);
            the model does not depend on it either.
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
    pool = rows if isinstance(rows, Pool) else Pool.of(pool_of(rows))
    training, held_out = (DrawnRows(pool, side) for side in split_rows(draw_rows(pool.names, spec), spec))
    tokenizer = train_tokenizer(contents(training, spec.tokenizer_chars), spec.vocabulary, spec.max_tokens)
    renderer = DialogueRenderer(tokenizer, "chat")
    blocks, used = blocks_of(tokenizer, renderer, training, spec.token_budget, spec)
    unseen, _ = blocks_of(tokenizer, renderer, held_out, spec.held_out_tokens, spec)
    identity = {
        "spec": spec.model_dump(),
        "data": data_digest(pool.names),
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
    # A training that kept nothing on its way cannot go on as one that does.
    kept = [*([CHECKPOINTS] if checkpoints else []), *([MOMENTS] if moments else [])]
    task = digest([identity, *kept] if kept else identity)
    resumed_at = trainer.resume(unfinished, task)
    trainer.run(unfinished, task, progress, keep=checkpoints > 0, moments=moments)
    state = trainer.state
    counts = unigram_counts(tokenizer, contents(training, spec.tokenizer_chars, used))
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

    def remembered(step: int) -> Path | None:
        return unfinished / moments_name(step) if moments else None

    steps = kept_steps([step for step, _ in state.held_out_losses], checkpoints)
    files = [(unfinished / weights_name(step), remembered(step)) for step in steps]
    publish(folder, model, tokenizer, manifest, counts, files, remembered(state.best_step))
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
