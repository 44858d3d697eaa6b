"""Loading torch in a thread beside a window, without stopping the window."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

LIBRARIES = ("libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so")
"""The large libraries of torch, in the order in which they need each other."""


def load_torch() -> None:
    """Import torch, in the thread that asks; nothing where it was imported before.

    Python holds its lock (the GIL) while it opens a library, and torch's take half a second and
    more: no other thread runs meanwhile. On Linux they are opened here before the import, by a call
    of the system's `dlopen` that gives the lock away; the import finds them open.
    """
    if "torch" in sys.modules:
        return
    if sys.platform == "linux":
        _open_libraries()
    import torch  # noqa: F401


def _open_libraries() -> None:
    """Open what there is of `LIBRARIES`; what can't be is left to the import, and its errors."""
    found = importlib.util.find_spec("torch")
    dlopen = getattr(ctypes.CDLL(None), "dlopen", None)
    if found is None or found.origin is None or dlopen is None:
        return
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    folder = Path(found.origin).parent / "lib"
    for path in (folder / name for name in LIBRARIES):
        if path.is_file():
            dlopen(os.fsencode(path), os.RTLD_LAZY)
