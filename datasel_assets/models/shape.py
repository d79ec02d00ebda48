"""How many layers a model has and how wide they are, from its configuration alone: no weights, no torch.

Belongs here: what planning needs before a model is loaded. Not: loading it.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from datasel_assets.models.packaged import PREFIX, find_packaged
from datasel_assets.models.resolve import resolve_model
from datasel_assets.specs.encoder import EncoderSpec

BLOCK_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "dim")


@dataclass(frozen=True)
class ModelShape:
    """What the stored layers of a model look like.

    Attributes:
        digest: changes with the weights, the configuration or the tokenizer.
        blocks: transformer blocks H; there are H + 1 hidden states.
        width: length of a hidden state.
    """

    digest: str
    blocks: int
    width: int

    def layers(self, spec: EncoderSpec) -> tuple[int, ...]:
        """Return the indices of the hidden states that ``spec`` wants, ascending."""
        return spec.resolve_layers(self.blocks)


@lru_cache(maxsize=16)
def model_shape(model: str, revision: str | None, base: Path) -> ModelShape:
    """Return the shape of a model; asked once per process, because a local folder is hashed whole.

    Args:
        model: folder (relative to ``base``) or hub name.
        revision: hub revision.
        base: folder that relative paths start from.

    Raises:
        ModelNotFoundError: no such model.
        ValueError: its configuration names no layers.
    """
    if model.startswith(PREFIX):
        # Planning must not unpack weights.
        known, _ = find_packaged(model, revision)
        return ModelShape(f"package:{known.identity}", known.blocks, known.width)
    resolved = resolve_model(model, revision, base=base)
    config = json.loads((resolved.path / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config") or config
    blocks = next((config[key] for key in BLOCK_KEYS if key in config), None)
    width = next((config[key] for key in WIDTH_KEYS if key in config), None)
    if blocks is None or width is None:
        raise ValueError(
            f"{model}: its config.json has none of {', '.join(BLOCK_KEYS if blocks is None else WIDTH_KEYS)}, "
            "so its layers cannot be planned for; models of this kind are not supported"
        )
    return ModelShape(resolved.digest(), int(blocks), int(width))
