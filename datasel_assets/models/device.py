"""Which device a model runs on, in which number format, and its memory. Not here: what a batch needs."""

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pick_device(name: str = "auto") -> "torch.device":
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:<i>``.

    Raises:
        ValueError: the device is unknown or absent.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:<number>") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is not supported: use auto, cpu, cuda or cuda:<number>")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is absent: torch sees {torch.cuda.device_count()} CUDA devices; use auto or cpu"
        )
    return device


def pick_dtype(precision: str, device: "torch.device") -> "torch.dtype":
    """Return the torch dtype; ``auto`` is bfloat16 where ``device`` multiplies it natively, else float32.

    On a CPU that is AVX512-BF16 or AMX: elsewhere bfloat16 is emulated and slower than float32.
    """
    import torch

    if precision != "auto":
        return getattr(torch, precision)
    native = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has bfloat16 dot products."""
    import torch

    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def return_free_memory() -> None:
    """Give memory that was freed back to the operating system.

    glibc keeps a heap per thread and returns little of it: without this a long run of a 90 MB model ends up holding
    3 GB. Does nothing on systems without ``malloc_trim``.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
