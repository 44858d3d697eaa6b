"""Which processor does the work, and in which precision."""

from __future__ import annotations

import functools
import time
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

_chosen: ContextVar[bool | None] = ContextVar("half precision", default=None)


def choose_device(name: str = "auto") -> torch.device:
    """Find the device that a recipe names.

    Parameters
    ----------
    name : str
        "auto", "cpu", "mps", "cuda" or "cuda:N".

    Raises
    ------
    NucleateError
        If that device isn't there, or can't be used.
    """
    if name == "auto":
        if cuda_works():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (problem := cuda_problem()):
        raise NucleateError(f"Device {name!r} can't be used: {problem}.")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise NucleateError(f"Device {name!r} isn't there: torch sees {count} GPU(s); choose cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise NucleateError("Device 'mps' isn't there: this is no Apple GPU; choose cpu.")
    return device


def cuda_works() -> bool:
    """Whether there is a graphics card of NVIDIA that PyTorch can use."""
    return _cuda()[0]


def cuda_problem() -> str:
    """Say why CUDA can't be used and what to do, without a full stop; empty where it can."""
    works, said = _cuda()
    if works:
        return ""
    return explained(RuntimeError(said)) or explained(RuntimeError("No CUDA GPUs are available"))


def driver_problem() -> str:
    """Say what keeps PyTorch from a graphics card that is there; empty where there is none."""
    works, said = _cuda()
    return cuda_problem() if said and not works else ""


@functools.cache
def _cuda() -> tuple[bool, str]:
    """Whether CUDA works, and what PyTorch warns of when it is asked; once a process."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            works = torch.cuda.is_available()
        except (RuntimeError, AssertionError, OSError) as error:
            return False, str(error)
    return works, " ".join(str(one.message) for one in told)


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Compute in bfloat16 where that is faster, in float32 elsewhere, or as `precision` says."""
    chosen = _chosen.get()
    if half_precision_pays(device.type) if chosen is None else chosen:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def same_shapes(device: torch.device) -> Iterator[None]:
    """Within the block cuDNN tries, once a shape, which of its algorithms is fastest.

    That pays where one shape comes again and again, as patches do.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = device.type == "cuda" or before
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def precision(half: bool) -> Iterator[None]:
    """Within the block `autocast` takes bfloat16, or float32, whatever is faster.

    A training keeps to the one it began with: measuring again could give another answer, and the
    training another result.
    """
    before = _chosen.set(half)
    try:
        yield
    finally:
        _chosen.reset(before)


def let_go(device: torch.device) -> None:
    """Give a GPU's memory back that nothing uses any more: the next try may need other pieces."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


@functools.cache
def half_precision_pays(kind: str) -> bool:
    """Whether bfloat16 is faster on this kind of device: "cpu", "cuda" or "mps"."""
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
