"""What two trainings at once cost each other, with waiting threads that sleep or that spin.

`napari_nucleate.core` sets OMP_WAIT_POLICY=PASSIVE before torch is loaded; the peer is OpenMP's
default. Seconds a step of the default U-Net, alone and beside a second one.
"""

import os
import subprocess
import sys
from typing import Any

import common

STEPS = """
import time
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.events import Step
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Optimisation, Recipe, Seconds
from napari_nucleate.core.training.train import train
made = NucleiSample(count=4).make()
examples = [
    Example(str(i), made.images.data[i][None], annotate(made.labels.data[i])) for i in range(4)
]
recipe = Recipe(optimisation=Optimisation(budget=Seconds(value={seconds})))
steps = [e for e in train(examples, recipe) if isinstance(e, Step)]
print((steps[-1].seconds - steps[1].seconds) / (len(steps) - 2))
"""


def run(policy: str, processes: int, seconds: int) -> float:
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    command = [sys.executable, "-c", STEPS.format(seconds=seconds)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": environment}
    running = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    return sum(float(p.communicate()[0]) for p in running) / processes


def main() -> None:
    options = common.arguments(__doc__)
    seconds = 8 if options.quick else 30
    entries = {}
    for name, processes in (("step_alone", 1), ("step_beside_another", 2)):
        ours, peer = run("PASSIVE", processes, seconds), run("ACTIVE", processes, seconds)
        entries[name] = {
            "ours": round(ours, 3),
            "peer": round(peer, 3),
            "ratio": round(peer / ours, 2),
            "goal": None,
            "measured_on": f"seconds a step, default U-Net, {seconds} s of training",
        }
    common.finish(options, entries)


if __name__ == "__main__":
    main()
