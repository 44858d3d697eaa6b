"""What a process gains that keeps its memory, instead of giving it back to take it again.

Ours is `core/memory.py: keep_memory`, as the command line and the trainings of the docks begin with
it; the peer is glibc's way. In turn, each in processes of their own: seconds a step of the default
U-Net (the median), and seconds to predict an image, on one thread; and the pages that Linux had to
give.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

import common

WORK = """
import json, resource, statistics, sys, time
keeps, seconds, repeats = sys.argv[1] == "ours", float(sys.argv[2]), int(sys.argv[3])
import numpy as np
import torch
torch.set_num_threads(1)
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.device import choose_device
from napari_nucleate.core.events import Step, Trained
from napari_nucleate.core.memory import keep_memory
from napari_nucleate.core.patches import Example
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.recipe import Optimisation, Recipe, Seconds
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.training.train import train
if keeps and not keep_memory():
    raise SystemExit("only glibc has something to say here")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
made = NucleiSample(count=4).make()
images = [made.images.data[i][None] for i in range(4)]
examples = [Example(str(i), image, annotate(made.labels.data[i])) for i, image in enumerate(images)]
recipe = Recipe(optimisation=Optimisation(budget=Seconds(value=seconds), device="cpu"))
times, pages, model = [], [], None
for event in train(examples, recipe):
    if isinstance(event, Step):
        times.append(event.seconds)
        pages.append(faults())
    elif isinstance(event, Trained):
        model = event.model
steps = [b - a for a, b in zip(times[5:], times[6:])]
device = choose_device("cpu")
network = model.predictor(device)
pixels = np.tile(model.recipe.normalisation.apply(images[0]), (1, 4, 4))
clocked, before = [], 0
for i in range(repeats + 1):
    began = time.perf_counter()
    predict_maps(network, model.recipe, pixels, device)
    clocked.append(time.perf_counter() - began)
    before = before or faults()
print(json.dumps({
    "step": statistics.median(steps),
    "step_pages": statistics.median(b - a for a, b in zip(pages[5:], pages[6:])),
    "predict": statistics.median(clocked[1:]),
    "predict_pages": (faults() - before) / repeats,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "shape": pixels.shape,
}))
"""


def run(how: str, seconds: float, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-c", WORK, how, str(seconds), str(repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    options = common.arguments(__doc__)
    if sys.platform != "linux":
        raise SystemExit("skipped: only glibc, on Linux, has something to say here")
    seconds, repeats, times = (4.0, 3, 1) if options.quick else (20.0, 10, 3)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(times):
        for how, found in runs.items():
            found.append(run(how, seconds, repeats))
    entries = {}
    for name, what in (
        ("step", f"seconds a step of training, the median of {seconds:.0f} s"),
        ("predict", f"seconds to draw the maps of an image of shape {runs['ours'][0]['shape']}"),
    ):
        ours, peer = ([one[name] for one in runs[how]] for how in ("ours", "peer"))
        ratios = [b / a for a, b in zip(ours, peer, strict=True)]
        entries[name] = {
            "ours": round(statistics.median(ours), 4),
            "peer": round(statistics.median(peer), 4),
            "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "goal": None,
            "measured_on": f"{what}; one thread, default U-Net, {times} pair(s) of processes",
            "pages": {how: round(found[0][f"{name}_pages"]) for how, found in runs.items()},
            "peak_mb": {how: found[0]["peak_mb"] for how, found in runs.items()},
        }
    common.finish(options, entries)


if __name__ == "__main__":
    main()
