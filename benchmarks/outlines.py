"""What outlines from pixels bring to stars: one network, its maps split in three ways.

A star-convex network is trained on ten real images; the validation images are predicted once. The
stars alone are the peer (StarDist's way); ours gives pixels to the stars; the watershed of the
network's foreground is told too.
"""

import csv
from typing import Any

import numpy as np
import tifffile

import common
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.device import choose_device
from napari_nucleate.core.events import Step, Trained
from napari_nucleate.core.instances import StarConvex, Watershed
from napari_nucleate.core.metrics import average_precision
from napari_nucleate.core.patches import Example
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.recipe import Optimisation, Recipe, Seconds
from napari_nucleate.core.targets import StarConvexTarget
from napari_nucleate.core.training.train import train

WAYS = {
    "peer": StarConvex(outline="stars"),
    "ours": StarConvex(),
    "watershed": Watershed(),
}


def scores(seconds: float, seed: int, every: int) -> dict[str, Any]:
    folder = common.SHARED / "dsb2018_fluo"
    rows = list(csv.DictReader((folder / "split.csv").read_text().splitlines()))
    names = {part: [r["name"] for r in rows if r["split"] == part] for part in ("train", "val")}
    chosen = np.random.default_rng(seed).choice(names["train"], 10, replace=False)

    def read(kind: str, name: str) -> Any:
        return tifffile.imread(folder / kind / f"{name}.tif")

    examples = [
        Example(str(n), read("images", n)[None], annotate(read("masks", n).astype(np.int32)))
        for n in chosen
    ]
    optimisation = Optimisation(budget=Seconds(value=seconds), seed=seed)
    recipe = Recipe(target=StarConvexTarget(), optimisation=optimisation)
    steps, model = 0, None
    for event in train(examples, recipe):
        if isinstance(event, Step):
            steps = event.step
        elif isinstance(event, Trained):
            model = event.model
    if model is None:
        raise RuntimeError("the training ended without a model")
    device = choose_device("auto")
    network, cases = model.network(device), []
    for name in names["val"][::every]:
        pixels = recipe.normalisation.apply(read("images", name)[None])
        maps = predict_maps(network, recipe, pixels, device)
        cases.append((read("masks", name), recipe.target.maps(maps)))
    result: dict[str, Any] = {"steps": steps, "images": len(cases)}
    for way, splitter in WAYS.items():
        ap = average_precision([(truth, splitter.split(maps)) for truth, maps in cases])
        result[way] = {f"{t:g}": round(v, 3) for t, v in list(ap.items())[::2]}
        result[way]["mean"] = round(float(np.mean(list(ap.values())[::2])), 4)
    return result


def main() -> None:
    options = common.arguments(__doc__)
    if not common.SHARED.is_dir():
        raise SystemExit(f"skipped: {common.SHARED} isn't there")
    seconds, seeds = (40.0, (0,)) if options.quick else (240.0, (0, 1, 2))
    runs = [scores(seconds, seed, 5 if options.quick else 1) for seed in seeds]
    mean = {way: float(np.mean([run[way]["mean"] for run in runs])) for way in WAYS}
    entry = {
        "ours": round(mean["ours"], 4),
        "peer": round(mean["peer"], 4),
        "ratio": round(mean["ours"] / max(mean["peer"], 1e-9), 2),
        "goal": 1,
        "watershed": round(mean["watershed"], 4),
        "measured_on": f"10 labelled dsb2018_fluo images, {seconds:g} s; mean AP 0.5 to 0.9",
        "seeds": runs,
    }
    common.finish(options, {"outlines": entry})


if __name__ == "__main__":
    main()
