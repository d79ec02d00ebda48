"""A base model from its folder: safetensors only, no code from the folder, nothing printed. Not here: running it."""

from typing import TYPE_CHECKING, Any

from datasel_assets.models.quiet import quiet
from datasel_assets.models.resolve import ModelIntegrityError, ResolvedModel

if TYPE_CHECKING:
    import torch


def load_base_model(resolved: ResolvedModel, dtype: "torch.dtype", device: "torch.device") -> Any:
    """Return the model without its language-model head or pooler, in evaluation mode on ``device``.

    Raises:
        ValueError: the architecture is an encoder-decoder, or needs code from the model's own repository.
        ModelIntegrityError: weights are missing from the files.
    """
    from transformers import AutoConfig, AutoModel

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(resolved.path, **options)
    if config.is_encoder_decoder:
        raise ValueError(
            f"{resolved.path}: {config.model_type} is an encoder-decoder; only encoders and decoders are supported"
        )
    config.use_cache = False
    with quiet():
        model, info = AutoModel.from_pretrained(
            resolved.path, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise ModelIntegrityError(
            f"{resolved.path}: {len(missing)} weights are missing, the first is {missing[0]!r}: "
            "the files are not a complete model"
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.eval().requires_grad_(False).to(device)


def text_config(model: Any) -> Any:
    """Return the configuration of the text part, which is the whole model unless it also sees or hears."""
    return model.config.get_text_config()


def max_positions(model: Any) -> int | None:
    """Return how many tokens the model can place, or ``None`` where it names no limit.

    A learned position table may spend its first rows on padding (RoBERTa: 514 rows for 512 tokens).
    """
    import torch

    limit = getattr(text_config(model), "max_position_embeddings", None)
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] == "position_embeddings" and isinstance(module, torch.nn.Embedding):
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - offset
    return limit
