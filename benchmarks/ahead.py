"""What drawing the next batch ahead brings, beside a network that leaves the processor alone.

A GPU is played by a sleep of so many milliseconds: what is measured is how long a step of the
default recipe takes from one batch to the next. The peer draws each batch when it is asked for.
"""

import time
from collections.abc import Callable

import numpy as np

import common
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.patches import Batch, Example, Sampler
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.training.ahead import Ahead

NETWORK_MS = (10, 40, 160)


def examples() -> list[Example]:
    made = NucleiSample(count=4).make()
    return [
        Example(str(i), made.images.data[i][None], annotate(made.labels.data[i])) for i in range(4)
    ]


def seconds(batch: Callable[[int], Batch], size: int, network: float, steps: int) -> float:
    """Median seconds of a step, after three that compile loops and fill caches."""
    times = []
    for _ in range(steps + 3):
        start = time.perf_counter()
        batch(size)
        time.sleep(network)
        times.append(time.perf_counter() - start)
    return float(np.median(times[3:]))


def main() -> None:
    options = common.arguments(__doc__)
    steps, given = 10 if options.quick else 60, examples()
    recipe = Recipe().measured([e.annotation for e in given])
    size = recipe.batch
    entries = {}
    for network in NETWORK_MS:
        rng = np.random.default_rng(0)
        sampler = Sampler(given, recipe, rng)
        peer = seconds(sampler.batch, size, network / 1000, steps)
        ahead = Ahead(sampler, rng)
        ours = seconds(ahead.batch, size, network / 1000, steps)
        ahead.close()
        entries[f"step_beside_{network}_ms"] = {
            "ours": round(ours * 1000, 1),
            "peer": round(peer * 1000, 1),
            "ratio": round(peer / ours, 2),
            "goal": None,
            "measured_on": f"ms a step, {size} patches of {recipe.patch_shape}, the network "
            f"sleeps {network} ms",
        }
    common.finish(options, entries)


if __name__ == "__main__":
    main()
