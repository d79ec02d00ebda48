"""Checkpoints of a training: written whole or not at all, and taken up by the very training that wrote them.

Belongs here: files and their order on the disk. Does not: what a training has to remember (each training says it).
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasel_assets.storage.atomic import flush, fsync_folder

if TYPE_CHECKING:
    import torch

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on the disk.

    Attributes:
        folder: where it lies.
        state: plain values that were written.
    """

    folder: Path
    state: Mapping[str, Any]

    def tensors(self, name: str, device: str = "cpu") -> "dict[str, torch.Tensor]":
        """Return one of the files of tensors."""
        from safetensors.torch import load_file

        return load_file(self.folder / f"{name}.safetensors", device=device)


def newest(checkpoints: Path, identity: str) -> Checkpoint | None:
    """Return the newest checkpoint of this very training; without one, remove what others have left.

    Args:
        checkpoints: folder of the checkpoints of one training.
        identity: what tells this training from others.
    """
    for folder in sorted(checkpoints.glob("step-*"), reverse=True):
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if state["identity"] == identity:
            return Checkpoint(folder, state)
    if checkpoints.exists():
        shutil.rmtree(checkpoints)
    return None


def save(
    checkpoints: Path, step: int, identity: str, tensors: "Mapping[str, dict[str, torch.Tensor]]", state: dict[str, Any]
) -> None:
    """Write a checkpoint under a temporary name, move it into place, then remove the older ones.

    Args:
        checkpoints: folder of the checkpoints of one training.
        step: steps that were taken.
        identity: what tells this training from others.
        tensors: file -> tensors by name.
        state: further plain values.
    """
    from safetensors.torch import save_file

    final = checkpoints / f"step-{step:09d}"
    temporary = checkpoints / f".{final.name}.tmp"
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir(parents=True)
    for name, found in tensors.items():
        save_file(found, temporary / f"{name}.safetensors")
    text = json.dumps({"identity": identity, "step": step, **state})
    (temporary / STATE).write_text(text, encoding="utf-8")
    flush(temporary)
    older = [folder for folder in checkpoints.glob("step-*") if folder != final]
    if final.exists():
        shutil.rmtree(final)
    temporary.replace(final)
    fsync_folder(checkpoints)
    for folder in older:
        shutil.rmtree(folder)
