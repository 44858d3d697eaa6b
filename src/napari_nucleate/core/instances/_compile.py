"""How loops are compiled, and how they share the processor's cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

MOST_THREADS = 8

_here = threading.local()


@contextmanager
def one_core() -> Generator[None, None, None]:
    """Let what this thread calls run in this thread alone: others work beside it already."""
    before = getattr(_here, "alone", False)
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = before


def compiled(function: F) -> F:
    """Compile a function when first called; the machine code is kept on disk, the GIL let go.

    numba keeps it beside the source, or in a folder of the user's. Where it can write to neither,
    each program that splits compiles anew.
    """
    try:
        made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("F", made)


def cores() -> int:
    """How many threads pay, at most `MOST_THREADS`."""
    if getattr(_here, "alone", False):
        return 1
    able = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return min(len(able), MOST_THREADS)


def in_bands(work: Callable[[int, int], None], size: int, least: int = 1) -> None:
    """Call work(start, stop) for parts of range(size), in as many threads as pay.

    Our own threads instead of numba's: its portable threading layer ends the process when two
    threads of a program use it at once, as a training and the Split dock do.

    Parameters
    ----------
    work : callable
        A compiled loop that lets the GIL go; parts are independent of each other.
    size : int
        Length of the range.
    least : int
        Shortest part worth a thread.
    """
    parts = max(min(cores() * 4, size // max(least, 1)), 1)
    edges = [size * i // parts for i in range(parts + 1)]
    if parts == 1 or cores() == 1:
        work(0, size)
        return
    with ThreadPoolExecutor(cores()) as pool:
        for done in [pool.submit(work, a, b) for a, b in pairwise(edges)]:
            done.result()
