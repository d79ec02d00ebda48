"""Linear layers whose weights are laid out once for the CPU's matrix kernels.

oneDNN otherwise re-orders a weight on each call. Same product, same rounding; used by every model on the CPU.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ROWS_HINT = 1024
LARGEST_MODEL = 2 << 30


def can_pack(dtype: "torch.dtype", device: "torch.device") -> bool:
    """Whether oneDNN computes ``dtype`` on ``device`` (bfloat16 needs AVX512)."""
    import torch

    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


def pack(weight: "torch.Tensor") -> "torch.Tensor":
    """Return ``weight`` (out, in) in the opaque layout that :func:`packed_linear` reads."""
    import torch

    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), ROWS_HINT)


def packed_linear(x: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor | None") -> "torch.Tensor":
    """Return ``x @ weight.T + bias`` for a packed weight."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def packed_linear_gelu(x: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor") -> "torch.Tensor":
    """Return ``gelu(x @ weight.T + bias)``, the exact (erf) GELU, applied before the result leaves the registers."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "none")


def packed_linear_add(
    x: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor", other: "torch.Tensor"
) -> "torch.Tensor":
    """Return ``x @ weight.T + bias + other``."""
    import torch

    return torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, bias, "add")


def pack_linears(model: Any) -> int:
    """Make every ``nn.Linear`` of ``model`` use a packed copy of its weight; return how many were changed.

    The plain weight stays (some models read it), so models over 2 GiB are left alone.
    """
    import torch

    if sum(p.numel() * p.element_size() for p in model.parameters()) > LARGEST_MODEL:
        return 0
    linears = [module for module in model.modules() if type(module) is torch.nn.Linear]
    for module in linears:
        module.forward = _bound(pack(module.weight), module.bias)
    return len(linears)


def _bound(weight: "torch.Tensor", bias: "torch.Tensor | None") -> Any:
    return lambda x: packed_linear(x, weight, bias)
