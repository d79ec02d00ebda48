"""The folder of a trained proxy language model: an ordinary Hugging Face model, and what its training said.

Belongs here: putting the folder in place, reading what it tells of its training, how far a pool has moved since. Not:
the training (:mod:`~datasel_assets.models.proxy_lm`), where the folder lies (``tables.trained_models``).
"""

import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.models.proxy_tokenizer import SPECIAL, unigram_counts
from datasel_assets.models.train.schedule import learning_rate
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.storage.atomic import flush, fsync_folder
from datasel_assets.storage.fingerprint import digest

MANIFEST = "manifest.json"
UNIGRAM = "unigram.json"
CHECKPOINTS = "checkpoints"
MOMENTS = "moments"
UNTRAINED = "no"
"""What :func:`training_digest` says of a folder without a model."""


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what was written about the training of the model in ``folder``; ``None`` without one."""
    file = folder / MANIFEST
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def kept_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of the checkpoints that were kept beside the model in ``folder``, in the order of training.

    Each is an ordinary Hugging Face model.
    """
    return sorted((folder / CHECKPOINTS).glob("[0-9]*"), key=lambda path: int(path.name))


def moments_file(model: Path) -> Path:
    """Return where the moments of Adam lie that go with the weights in ``model``, a proxy or one of its checkpoints."""
    return model / MOMENTS / "adam.safetensors"


def kept_steps(evaluations: Sequence[int], checkpoints: int) -> list[int]:
    """Return which of the evaluations have their weights kept: from the first to the last, at even distances."""
    return [evaluations[i] for i in np.linspace(0, len(evaluations) - 1, checkpoints).round().astype(int)]


def checkpoint_rates(manifest: Mapping[str, Any], checkpoints: int) -> list[float]:
    """Return the learning rate of the step that led to each kept checkpoint, from :func:`read_manifest`."""
    spec = ProxySpec.model_validate(manifest["spec"])
    total = math.ceil(spec.token_budget / (manifest["tokens"] // manifest["steps"]))
    steps = kept_steps([step for step, _ in manifest["held_out_losses"]], checkpoints)
    return [learning_rate(step - 1, total, spec.learning_rate, spec.warmup) for step in steps]


def pool_drift(folder: Path, texts: Iterable[str]) -> float:
    """Return how far ``texts`` have moved from those that the proxy model in ``folder`` was trained on.

    The Jensen-Shannon divergence in bits of the token distributions, :func:`datasel_assets.arrays.drift.drift`.

    Args:
        folder: from :func:`datasel_assets.models.proxy_lm.train_proxy_lm`.
        texts: contents of messages of the pool, or of a sample of it.

    Raises:
        ValueError: the texts have no tokens.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    trained = np.array(json.loads((folder / UNIGRAM).read_text(encoding="utf-8")), np.int64)
    return drift(trained, unigram_counts(tokenizer, texts))


def training_digest(folder: Path) -> str:
    """Return what tells the training of the model in ``folder`` from others, or :data:`UNTRAINED`."""
    manifest = read_manifest(folder)
    return digest(manifest) if manifest else UNTRAINED


def weights_digest(folder: Path) -> str:
    """Return a hash of the weights, the tokenizer and the descriptions in ``folder``."""
    state = hashlib.blake2b(digest_size=16)
    for file in sorted(folder.glob("*")):
        if file.suffix in (".safetensors", ".json"):
            state.update(file.name.encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def training_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size of a model and how far its training went, from :func:`read_manifest`."""
    return {
        **{fact: manifest[fact] for fact in ("parameters", "vocabulary", "tokens", "steps")},
        "rows": manifest["rows"]["trained"],
        **{fact: manifest[fact] for fact in ("best_step", "stopped_early")},
    }


def loss_curve(manifest: Mapping[str, Any]) -> pl.DataFrame:
    """Return the losses of a training, in nats for a token, one line per step.

    ``held_out_loss`` is null at steps without an evaluation.
    """
    train, seen = manifest["train_losses"], dict(manifest["held_out_losses"])
    steps = range(1, len(train) + 1)
    return pl.DataFrame(
        {"step": list(steps), "train_loss": list(train), "held_out_loss": [seen.get(step) for step in steps]},
        schema={"step": pl.Int32, "train_loss": pl.Float32, "held_out_loss": pl.Float32},
    )


def publish(
    folder: Path,
    model: Any,
    tokenizer: Any,
    manifest: dict[str, Any],
    counts: np.ndarray,
    checkpoints: Sequence[tuple[Path, Path | None]] = (),
    moments: Path | None = None,
) -> None:
    """Build the folder under a temporary name beside it and move it into place.

    Args:
        folder: where it goes.
        model: with its weights.
        tokenizer: of the model.
        manifest: what is said of the training.
        counts: of each token in the pool.
        checkpoints: files of the weights of each, and of its moments of Adam where these are kept.
        moments: those that go with the weights of the model.
    """
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
    _place(moments, temporary)
    for number, (weights, remembered) in enumerate(checkpoints):
        checkpoint = temporary / CHECKPOINTS / str(number)
        checkpoint.mkdir(parents=True)
        model.config.save_pretrained(checkpoint)
        save_file(load_file(weights), checkpoint / "model.safetensors", {"format": "pt"})
        tokenizer.save_pretrained(checkpoint)
        _place(remembered, checkpoint)
        flush(checkpoint)
    flush(temporary)
    if folder.exists():
        folder.replace(old)
    temporary.replace(folder)
    fsync_folder(folder.parent)
    if old.exists():
        shutil.rmtree(old)


def _place(moments: Path | None, model: Path) -> None:
    """Put moments beside the weights that they go with."""
    if moments is None:
        return
    file = moments_file(model)
    file.parent.mkdir()
    shutil.copyfile(moments, file)
    flush(file.parent)
