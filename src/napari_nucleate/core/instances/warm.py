"""Compiling all loops of the splitters ahead of time, so that nobody waits for it later.

`python -m napari_nucleate.core.instances.warm` compiles what isn't compiled yet, keeps it on disk,
and prints one line of JSON: the files that list the machine code, how many loops it compiled, and
the seconds it took. The docks run it in a process of its own (`gui/warming.py`): compiling holds
the GIL, and would stall the window.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

KERNELS = (
    "_warp_kernels",
    "instances._flood_kernels",
    "instances._label_kernels",
    "instances._match_kernels",
    "instances._piece_kernels",
    "instances._ray_kernels",
    "instances._star_kernels",
)
"""The modules of compiled loops, within `core`."""

RAYS = 8
LONGEST = 256
"""Rays that reach this far are counted in a wider type: another loop for the compiler."""


def warm() -> int:
    """Call every splitter, in 2D and 3D, with and without a network's maps, on tiny images.

    Returns
    -------
    int
        How many loops were compiled; 0 where all of them came from the disk.
    """
    from napari_nucleate.core.annotation import annotate
    from napari_nucleate.core.instances import Components, StarConvex, Watershed, ray_distances
    from napari_nucleate.core.instances.drawn import outlines
    from napari_nucleate.core.instances.trial import Trial
    from napari_nucleate.core.warp import linear, near_another, nearest

    with compilations() as made:
        for ndim in (2, 3):
            for maps in _all_maps(ndim):
                for splitter in (
                    Components(min_size=1),
                    Watershed(min_size=1),
                    StarConvex(min_size=1, n_rays=RAYS),
                    StarConvex(min_size=1, n_rays=RAYS, outline="stars"),
                ):
                    splitter.find(maps)
            labels = _two_squares(ndim)
            where = np.indices(labels.shape, np.float32)
            linear(labels[np.newaxis].astype(np.float32), where)
            near_another(nearest(labels, where), 1)
            ray_distances(labels, RAYS, known=labels == 0)
        outlines(_two_squares(2))
        ray_distances(np.ones((2, LONGEST), np.int32), RAYS)
        Trial(annotate(_two_squares(2))).measure([Components(min_size=1)], next(_all_maps(2)))
    return len(made)


def files() -> list[Path]:
    """The files in which numba lists the machine code of each loop; none where it can't write."""
    found = []
    for name, kernel in kernels():
        folder, line = kernel.stats.cache_path, kernel.py_func.__code__.co_firstlineno
        if folder:
            found += sorted(Path(folder).glob(f"{name}-{line}.*.nbi"))
    return found


def kernels() -> Iterator[tuple[str, Any]]:
    """Every compiled loop, with its module and name."""
    from importlib import import_module

    for module in KERNELS:
        there = vars(import_module(f"napari_nucleate.core.{module}"))
        for name, value in there.items():
            if hasattr(value, "py_func") and value.py_func.__module__.endswith(module):
                yield f"{module.rpartition('.')[2]}.{name}", value


@contextmanager
def compilations(started: Callable[[], None] | None = None) -> Iterator[list[str]]:
    """Note which loops numba compiles meanwhile; those that it reads from the disk don't count.

    Parameters
    ----------
    started : callable, optional
        Called at the first of them.

    Yields
    ------
    list of str
        Their names, growing.
    """
    from numba.core.event import Listener, install_listener

    made: list[str] = []

    class Compiles(Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            if not made and started is not None:
                started()
            made.append(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event: Any) -> None:
            del event

    with install_listener("numba:compile", Compiles()):
        yield made


def _all_maps(ndim: int) -> Iterator[Any]:
    """What splitters get to see: a mask, a network's borders, its rays, and a person's seeds."""
    from napari_nucleate.core.instances import Maps, centre_probability, ray_distances

    labels = _two_squares(ndim)
    foreground = (labels > 0).astype(np.float32)
    border = (foreground * (np.indices(labels.shape)[-1] == 8)).astype(np.float32)
    yield Maps(foreground)
    yield Maps(foreground, border=border, seeds=labels)
    yield Maps(
        foreground,
        centre=centre_probability(labels),
        distances=ray_distances(labels, RAYS),
    )


def _two_squares(ndim: int) -> NDArray[np.int32]:
    """Two touching objects, one of which has a hole."""
    labels = np.zeros((7, 9, 17)[-ndim:], np.int32)
    inside = (slice(1, -1),) * (ndim - 1)
    labels[(*inside, slice(1, 8))] = 1
    labels[(*inside, slice(8, 16))] = 2
    labels[(3, 4, 4)[-ndim:]] = 0
    return labels


def _end_with_parent() -> None:
    """End this process when the one that started it closes our input, or dies."""

    def wait() -> None:
        # Not sys.stdin: a thread that waits in it makes Python abort at its end.
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Compile, and print what came of it; with `--child`, end when the parent does."""
    if "--child" in sys.argv[1:]:
        _end_with_parent()
        if hasattr(os, "nice"):
            os.nice(5)  # nobody may be waiting yet, and the parent is busy starting
    start = time.perf_counter()
    # Where nothing can be kept, compiling here helps nobody.
    made = warm() if any(kernel.stats.cache_path for _, kernel in kernels()) else 0
    seconds = round(time.perf_counter() - start, 2)
    result = {"files": [str(path) for path in files()], "compiled": made, "seconds": seconds}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
