"""Which processor does the work, and in which precision."""

from __future__ import annotations

import functools
import time
from contextlib import AbstractContextManager, nullcontext

import torch

from napari_nucleate.core.errors import NucleateError


def choose_device(name: str = "auto") -> torch.device:
    """Find the device that a recipe names.

    Parameters
    ----------
    name : str
        "auto", "cpu", "mps", "cuda" or "cuda:N".

    Raises
    ------
    NucleateError
        If that device isn't there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    device = torch.device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise NucleateError(f"Device {name!r} isn't there: torch sees {count} GPU(s); choose cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise NucleateError("Device 'mps' isn't there: this is no Apple GPU; choose cpu.")
    return device


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Compute in bfloat16 where that is faster, in float32 elsewhere."""
    if _half_precision_pays(device.type):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on a GPU or on the processor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in words)


@functools.cache
def _half_precision_pays(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind != "cpu":
        return False
    # Only processors with AMX gain; others emulate. No flag tells on every system: measure, also
    # where the question comes from a prediction, which keeps no gradients.
    with torch.inference_mode(mode=False), torch.enable_grad():
        return _seconds(half=True) < 0.7 * _seconds(half=False)


def _seconds(half: bool) -> float:
    """Time of a small convolution, forward and backward: the best of four."""
    layer = torch.nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last)
    image = torch.randn(2, 32, 64, 64).to(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            result = layer(image)
        result.float().sum().backward()
        best = min(best, time.perf_counter() - start)
    return best
