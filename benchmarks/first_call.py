"""How long a person waits for the first result of each splitter in a new program.

Ours has the machine code on disk, as it is after the docks were open once; the peer compiles it,
in an empty folder that NUMBA_CACHE_DIR names. Seconds from the call to the result, numba's import
included; `again` is the second call in the same program. `whole` is what the docks do in a process
of their own: every loop of every splitter.
"""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import common

CALL = """
import json, time
import numpy as np
from napari_nucleate.core.instances import *
from napari_nucleate.core.samples import NucleiSample
kind, ndim = {kind!r}, {ndim}
sample = NucleiSample(kind="3d" if ndim == 3 else "2d", count=1, size=256 // (ndim - 1), depth=24)
labels = sample.make().labels.images(ndim)[0].read()[0]
given = from_mask_like(labels)
def call():
    if kind == "whole":
        from napari_nucleate.core.instances.warm import warm
        return warm()
    if kind == "rays":
        return ray_distances(labels)
    return {{"watershed": Watershed(), "star-convex": StarConvex()}}[kind].find(given)
times = []
for _ in range(2):
    start = time.perf_counter()
    call()
    times.append(time.perf_counter() - start)
print(json.dumps(times))
"""
CASES = [
    ("watershed", 2),
    ("star-convex", 2),
    ("rays", 2),
    ("watershed", 3),
    ("star-convex", 3),
    ("rays", 3),
    ("whole", 2),
]
QUICK = [("watershed", 2), ("star-convex", 3), ("whole", 2)]


def seconds(kind: str, ndim: int, folder: str = "") -> list[float]:
    """Time the first and the second call in a new program."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
    command = [sys.executable, "-c", CALL.format(kind=kind, ndim=ndim)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    times: list[float] = json.loads(done.stdout)
    return times


def main() -> None:
    options = common.arguments(__doc__)
    entries: dict[str, Any] = {}
    for kind, ndim in QUICK if options.quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            peer, _ = seconds(kind, ndim, folder)
            ours, again = seconds(kind, ndim, folder)
        name = "first_call_" + kind.replace("-", "_") + ("" if kind == "whole" else f"_{ndim}d")
        entries[name] = {
            "ours": round(ours, 3),
            "peer": round(peer, 3),
            "ratio": round(peer / ours, 1),
            "goal": None,
            "again": round(again, 4),
            "measured_on": "seconds to the first result; machine code on disk against compiling",
        }
    common.finish(options, entries)


if __name__ == "__main__":
    main()
