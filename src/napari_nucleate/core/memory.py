"""Memory of a process that only works: what it lets go of, it takes again at once."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Names of glibc's `mallopt`, as `malloc.h` has them."""

KEPT = 2**31 - 1
"""So many free bytes at the end of its memory a process keeps: as many as can be said."""

AT_ONCE = 64 * 2**20
"""Bytes that are taken at least, when more are needed."""


def keep_memory() -> bool:
    """Let this process keep memory that it frees, until it ends; True where that can be said.

    A prediction takes and frees hundreds of megabytes. glibc gives large pieces back to Linux at
    once, which clears every page that is taken again: that is a third of the time of the maps of an
    image of 1024² on one thread, of a training step a twentieth (`benchmarks/memory.py`).
    The cost: what is free between pieces in use stays taken, too,
    where sizes change. For a process that trains or predicts and ends, not for a window, whose
    person opens and closes large images.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return all(mallopt(*one) for one in ((MMAP_MAX, 0), (TRIM_THRESHOLD, KEPT), (TOP_PAD, AT_ONCE)))
