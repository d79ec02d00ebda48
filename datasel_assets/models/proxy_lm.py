"""The proxy language model: a small Llama-style decoder trained on the pool itself.

Belongs here: its description, the sample, the training loop, checkpoints, the folder. Not: its tokenizer
(:mod:`~datasel_assets.models.proxy_tokenizer`), scoring with it (:mod:`~datasel_assets.models.causal_lm`).

The folder is an ordinary Hugging Face model. Rows enter in the order of a hash of their id and the seed, so the sample,
the held-out part and the order of training depend on the set of rows alone. On a CPU the same rows, specification,
library versions and number of threads give the same bytes, also when the training was killed and went on later.
"""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from datasel_assets.models.device import pick_device, pick_dtype
from datasel_assets.models.dialogue import DialogueRenderer
from datasel_assets.models.drift import drift
from datasel_assets.models.proxy_tokenizer import BOS, END, SMALLEST, SPECIAL, train_tokenizer, unigram_counts
from datasel_assets.models.render import Message, is_blank
from datasel_assets.models.tokens import valid_text
from datasel_assets.schema import StrictModel
from datasel_assets.storage.atomic import atomic_path, fsync_folder
from datasel_assets.storage.fingerprint import digest

if TYPE_CHECKING:
    import torch

Conversation = Sequence[Message]
Progress = Callable[[int, int], None]

MANIFEST = "manifest.json"
UNIGRAM = "unigram.json"
CHECKPOINTS = "checkpoints"
BATCH_ROWS = 256
BETAS = (0.9, 0.95)


class ProxySpec(StrictModel):
    """A proxy language model and how it is trained. The default has 3.2 M parameters.

    Attributes:
        vocabulary: tokens of the byte-level BPE, at most.
        hidden: width of a hidden state.
        layers: blocks.
        heads: attention heads.
        kv_heads: key and value heads, a divisor of ``heads``.
        intermediate: inner width of the feed-forward part.
        max_tokens: length of the context.
        token_budget: training tokens, repetitions counted.
        batch_tokens: tokens of one step.
        learning_rate: the highest; after a linear warm-up it falls to a tenth along a cosine.
        warmup: share of the steps in which the rate rises.
        weight_decay: of AdamW, on matrices alone.
        held_out: share of the rows that is never trained on, at least one row.
        held_out_tokens: at most this many of their tokens are read in an evaluation.
        eval_steps: steps between evaluations; a checkpoint is written with each.
        patience: evaluations in a row without a better held-out loss that end the training.
        bare_share: share of the training rows that are shown without their prompt, one half with the assistant's
            header and one half without: the loss of a response alone, which IFD divides by, is then that of a model
            that has met such text.
        tokenizer_chars: at most this many characters train the tokenizer.
        seed: of the sample, the weights and the order.
    """

    vocabulary: int = Field(4096, ge=SMALLEST)
    hidden: int = Field(192, ge=8)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    kv_heads: int = Field(2, ge=1)
    intermediate: int = Field(512, ge=8)
    max_tokens: int = Field(512, ge=8)
    token_budget: int = Field(2_000_000, ge=1)
    batch_tokens: int = Field(4096, ge=8)
    learning_rate: float = Field(2e-3, gt=0)
    warmup: float = Field(0.05, ge=0, le=1)
    weight_decay: float = Field(0.1, ge=0)
    held_out: float = Field(0.02, gt=0, lt=1)
    held_out_tokens: int = Field(32_768, ge=1)
    eval_steps: int = Field(25, ge=1)
    patience: int = Field(4, ge=1)
    bare_share: float = Field(0.2, ge=0, le=1)
    tokenizer_chars: int = Field(20_000_000, ge=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> "ProxySpec":
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} does not divide heads {self.heads}")
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is not a multiple of 2 * heads {2 * self.heads}")
        return self


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


@dataclass
class _State:
    """Where a training stands; what a checkpoint holds beside the tensors."""

    step: int
    train_losses: list[float]
    held_out_losses: list[tuple[int, float]]
    best_step: int = 0

    @property
    def best_loss(self) -> float:
        return dict(self.held_out_losses).get(self.best_step, math.inf)

    def worse_in_a_row(self) -> int:
        return sum(step > self.best_step for step, _ in self.held_out_losses)


@dataclass(frozen=True)
class _Row:
    """A row with its three draws, uniform in [0, 1), from the hash of its id."""

    row_id: str
    messages: Conversation
    order: float
    side: float
    form: float


def train_proxy_lm(
    rows: Sequence[Conversation | str],
    spec: ProxySpec,
    folder: Path,
    *,
    ids: Sequence[str] | None = None,
    checkpoints: int = 0,
    progress: Progress | None = None,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
) -> ProxyResult:
    """Train a tokenizer and a model on ``rows`` and publish them at ``folder``.

    The folder appears, or is replaced, when the training is done. Until then checkpoints lie beside it in
    ``.<name>.training``; a call with the same rows and specification goes on from there.

    Args:
        rows: conversations; a text counts as one assistant message.
        spec: the model.
        folder: where it goes.
        ids: of the rows; hashes of their contents when ``None``.
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
    sample = draw_rows(rows, ids, spec)
    training, held_out = split_rows(sample, spec)
    tokenizer = train_tokenizer(_contents(training, spec.tokenizer_chars), spec.vocabulary, spec.max_tokens)
    renderer = DialogueRenderer(tokenizer, "chat")
    blocks, used = blocks_of(tokenizer, renderer, training, spec.token_budget, spec)
    unseen, _ = blocks_of(tokenizer, renderer, held_out, spec.held_out_tokens, spec)
    identity = {
        "spec": spec.model_dump(),
        "data": _data_digest(sample),
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
    manifest = {
        **identity,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "rows": {"given": len(rows), "trained": used, "held_out": len(held_out)},
        "steps": state.step,
        "tokens": state.step * trainer.step_tokens,
        "best_step": state.best_step,
        "stopped_early": state.step < trainer.total_steps,
        "train_losses": state.train_losses,
        "held_out_losses": state.held_out_losses,
    }
    counts = unigram_counts(tokenizer, _contents(training[:used], spec.tokenizer_chars))
    steps = [step for step, _ in state.held_out_losses]
    kept = [steps[i] for i in np.linspace(0, len(steps) - 1, checkpoints).round().astype(int)]
    _publish(folder, model, tokenizer, manifest, counts, [unfinished / _weights_name(step) for step in kept])
    shutil.rmtree(unfinished)
    return ProxyResult(
        folder=folder,
        parameters=manifest["parameters"],
        vocabulary=len(counts),
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


def kept_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of the checkpoints of a model of :func:`train_proxy_lm`, in the order of training.

    Each is an ordinary Hugging Face model.
    """
    return sorted((folder / CHECKPOINTS).glob("[0-9]*"), key=lambda path: int(path.name))


def pool_drift(folder: Path, texts: Iterable[str]) -> float:
    """Return how far ``texts`` have moved from those that the proxy model in ``folder`` was trained on.

    The Jensen-Shannon divergence in bits of the token distributions, :func:`datasel_assets.models.drift.drift`.

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


class Trainer:
    """The training loop; what it does at a step follows from the step, the state and the data alone."""

    def __init__(
        self,
        model: Any,
        spec: ProxySpec,
        blocks: np.ndarray,
        unseen: np.ndarray,
        device: "torch.device",
        dtype: "torch.dtype",
    ) -> None:
        import torch

        self.state = _State(0, [], [])
        self._model, self._spec, self._device, self._dtype = model, spec, device, dtype
        self._blocks, self._unseen = blocks, unseen
        self._batch_rows = max(1, min(spec.batch_tokens // blocks.shape[1], len(blocks)))
        self.step_tokens = self._batch_rows * blocks.shape[1]
        self.total_steps = math.ceil(spec.token_budget / self.step_tokens)
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate, betas=BETAS)
        self._best: dict[str, torch.Tensor] = {}

    def run(self, checkpoints: Path, identity: str, progress: Progress | None, *, keep: bool = False) -> None:
        """Train to the end and leave the best weights in the model; ``keep`` the weights of each evaluation."""
        spec, state = self._spec, self.state
        while state.step < self.total_steps and state.worse_in_a_row() < spec.patience:
            state.train_losses.append(self.step(state.step))
            state.step += 1
            if state.step % spec.eval_steps == 0 or state.step == self.total_steps:
                loss = _finite(self._evaluate(), f"held-out loss after step {state.step}", spec)
                best = loss < state.best_loss
                state.held_out_losses.append((state.step, loss))
                if best:
                    state.best_step = state.step
                    self._best = {name: tensor.clone() for name, tensor in self._model.state_dict().items()}
                if keep:
                    self._keep(checkpoints / _weights_name(state.step))
                self._save(checkpoints, identity)
            if progress is not None:
                progress(state.step, self.total_steps)
        self._model.load_state_dict(self._best)

    def resume(self, checkpoints: Path, identity: str) -> int:
        """Take up the newest checkpoint of this very training; return its step, or 0."""
        from safetensors.torch import load_file

        for folder in sorted(checkpoints.glob("step-*"), reverse=True):
            saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if saved["identity"] != identity:
                continue
            self.state.step = saved["step"]
            self.state.train_losses = saved["train_losses"]
            self.state.held_out_losses = [(step, loss) for step, loss in saved["held_out_losses"]]
            self.state.best_step = saved["best_step"]
            self._model.load_state_dict(load_file(folder / "model.safetensors"))
            self._best = load_file(folder / "best.safetensors", device=str(self._device))
            moments: dict[int, dict[str, Any]] = {}
            for key, tensor in load_file(folder / "optimizer.safetensors").items():
                index, name = key.split(".", 1)
                moments.setdefault(int(index), {})[name] = tensor
            self._optimizer.load_state_dict(
                {"state": moments, "param_groups": self._optimizer.state_dict()["param_groups"]}
            )
            return self.state.step
        if checkpoints.exists():
            shutil.rmtree(checkpoints)
        return 0

    def step(self, step: int) -> float:
        """Take one step of the optimiser; return its loss, in nats."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(step, self.total_steps, self._spec)
        self._model.train()
        loss = self._loss(self._batch(step))
        value = _finite(float(loss.detach()), f"loss of step {step}", self._spec)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        return value

    def _batch(self, step: int) -> np.ndarray:
        """Return the blocks of a step: each epoch is a permutation of its own."""
        n, seed = len(self._blocks), self._spec.seed
        places = [divmod(place, n) for place in range(step * self._batch_rows, (step + 1) * self._batch_rows)]
        orders = {epoch: np.random.default_rng([seed, epoch]).permutation(n) for epoch, _ in places}
        return self._blocks[[orders[epoch][place] for epoch, place in places]]

    def _evaluate(self) -> float:
        """Return the mean held-out loss of a token, in nats."""
        import torch

        self._model.eval()
        total = 0.0
        with torch.inference_mode():
            for start in range(0, len(self._unseen), self._batch_rows):
                batch = self._unseen[start : start + self._batch_rows]
                total += float(self._loss(batch)) * len(batch)
        return total / len(self._unseen)

    def _loss(self, batch: np.ndarray) -> "torch.Tensor":
        import torch

        ids = torch.from_numpy(batch).to(self._device)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            return self._model(input_ids=ids, labels=ids, use_cache=False).loss

    def _keep(self, file: Path) -> None:
        from safetensors.torch import save_file

        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            save_file({name: tensor.cpu() for name, tensor in self._model.state_dict().items()}, temporary)

    def _save(self, checkpoints: Path, identity: str) -> None:
        """Write a checkpoint under a temporary name, move it into place, then remove the older ones."""
        from safetensors.torch import save_file

        final = checkpoints / f"step-{self.state.step:09d}"
        temporary = checkpoints / f".{final.name}.tmp"
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir(parents=True)
        save_file(self._model.state_dict(), temporary / "model.safetensors")
        save_file(self._best, temporary / "best.safetensors")
        moments = self._optimizer.state_dict()["state"]
        tensors = {f"{i}.{name}": tensor for i, held in moments.items() for name, tensor in held.items()}
        save_file(tensors, temporary / "optimizer.safetensors")
        state = {
            "identity": identity,
            "step": self.state.step,
            "train_losses": self.state.train_losses,
            "held_out_losses": self.state.held_out_losses,
            "best_step": self.state.best_step,
        }
        (temporary / "state.json").write_text(json.dumps(state), encoding="utf-8")
        _flush(temporary)
        older = list(checkpoints.glob("step-*"))
        temporary.replace(final)
        fsync_folder(checkpoints)
        for folder in older:
            shutil.rmtree(folder)


def _finite(loss: float, what: str, spec: ProxySpec) -> float:
    if math.isfinite(loss):
        return loss
    raise FloatingPointError(
        f"the {what} is {loss}: lower learning_rate ({spec.learning_rate}) or use precision: float32"
    )


def learning_rate(step: int, total: int, spec: ProxySpec) -> float:
    """Return the rate of ``step`` (from 0): linear warm-up, then half a cosine down to a tenth of the highest."""
    warm = math.ceil(spec.warmup * total)
    if step < warm:
        return spec.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    return spec.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2)


def draw_rows(rows: Sequence[Conversation | str], ids: Sequence[str] | None, spec: ProxySpec) -> list[_Row]:
    """Return the rows with content, in the order of their hash."""
    conversations = [[{"role": "assistant", "content": row}] if isinstance(row, str) else row for row in rows]
    names = [_content_hash(row) for row in conversations] if ids is None else ids
    found = []
    for row_id, messages in zip(names, conversations, strict=True):
        if not is_blank(messages):
            drawn = hashlib.blake2b(f"{spec.seed}:{row_id}".encode(), digest_size=24).digest()
            order, side, form = (int.from_bytes(drawn[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
            found.append(_Row(row_id, messages, order, side, form))
    if len({row.row_id for row in found}) < 2:
        raise ValueError(
            f"{len(found)} of {len(rows)} rows have content, but a proxy model needs 2 different ones: add sources"
        )
    return sorted(found, key=lambda row: (row.order, row.row_id))


def split_rows(sample: Sequence[_Row], spec: ProxySpec) -> tuple[list[_Row], list[_Row]]:
    """Return training and held-out rows, at least one of each."""
    sides = sorted(row.side for row in sample)
    limit = min(max(spec.held_out, np.nextafter(sides[0], 1)), sides[-1])
    return [row for row in sample if row.side >= limit], [row for row in sample if row.side < limit]


def _contents(sample: Iterable[_Row], chars: int) -> Iterable[str]:
    """Yield the contents of messages until ``chars`` characters are out."""
    for row in sample:
        for message in row.messages:
            if chars <= 0:
                return
            chars -= len(message["content"])
            yield message["content"]


def _text(row: _Row, renderer: DialogueRenderer, spec: ProxySpec) -> str:
    last = row.messages[-1]
    if row.form < spec.bare_share and last["role"] == "assistant" and last["content"].strip():
        header = renderer.header if row.form < spec.bare_share / 2 else ""
        return f"{BOS}{header}{last['content']}{END}"
    return renderer.render(row.messages).text


def blocks_of(
    tokenizer: Any, renderer: DialogueRenderer, sample: Sequence[_Row], budget: int, spec: ProxySpec
) -> tuple[np.ndarray, int]:
    """Return the rows end to end, cut into (n, T) int64 blocks, and how many rows ``budget`` tokens took."""
    parts: list[np.ndarray] = []
    tokens = used = 0
    for start in range(0, len(sample), BATCH_ROWS):
        texts = [valid_text(_text(row, renderer, spec)) for row in sample[start : start + BATCH_ROWS]]
        for encoding in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            if tokens < budget:
                parts.append(np.array(encoding.ids, np.int64))
                tokens += len(encoding)
                used += 1
        if tokens >= budget:
            break
    stream = np.concatenate(parts)
    length = min(spec.max_tokens, len(stream))
    return stream[: len(stream) // length * length].reshape(-1, length), used


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


def _weights_name(step: int) -> str:
    return f"weights-{step:09d}.safetensors"


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
        _flush(checkpoint)
    _flush(temporary)
    if folder.exists():
        folder.replace(old)
    temporary.replace(folder)
    fsync_folder(folder.parent)
    if old.exists():
        shutil.rmtree(old)


def _flush(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    fsync_folder(folder)


def _content_hash(messages: Conversation) -> str:
    text = json.dumps([[m["role"], m["content"]] for m in messages], separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _data_digest(sample: Iterable[_Row]) -> str:
    """Return a hash of the set of rows, whatever their order."""
    return digest(sorted((row.row_id, _content_hash(row.messages)) for row in sample))
