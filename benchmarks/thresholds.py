"""What choosing thresholds by labels brings, at the end of a training.

The same weights with the thresholds chosen and with those that a recipe begins with, on images that
neither the training nor the choice saw.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import common
from contest import CACHE, MEAN, Contest, Scene, channels_first, scene
from napari_nucleate.core.device import choose_device
from napari_nucleate.core.metrics import average_precision
from napari_nucleate.core.model import Model
from napari_nucleate.core.predict import predict_compared
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.targets import Boundary

PACK = "dsb2018_fluo"


def both(model: Model, given: Scene) -> list[float]:
    """Mean AP with the model's thresholds, and with those of a new recipe."""
    recipe, device = model.recipe, choose_device("auto")
    network, begun = model.predictor(device), Recipe().target
    chosen = recipe.target
    if not (isinstance(chosen, Boundary) and isinstance(begun, Boundary)):
        raise TypeError("the default target isn't the boundary any more")
    before = chosen.model_copy(update={"splitter": begun.splitter})
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[], []]
    for image, mask in given.test:
        truth = tifffile.imread(mask).astype(np.int32)
        normal = recipe.normalisation.apply(channels_first(image))
        maps = predict_compared(network, recipe, normal, device).maps
        for found, target in zip(pairs, (chosen, before), strict=True):
            found.append((truth, target.decode(maps)))
    scores = [average_precision(found) for found in pairs]
    return [float(np.mean([ap[t] for t in MEAN])) for ap in scores]


def entry(
    contest: Contest, count: int | None, seeds: list[int], seconds: float, steps: int
) -> dict[str, Any]:
    """Models of so many images; all of them where no number is given."""
    found, notes = [], []
    for seed in seeds:
        given = scene(PACK, count, seed)
        model = contest.model(given, seconds, seed, steps=steps)
        found.append(both(model, given))
        notes.append(model.card.record.thresholds)
    ours, peer = np.array(found).T
    return {
        "ours": round(float(ours.mean()), 4),
        "peer": round(float(peer.mean()), 4),
        "ratio": None,
        "goal": "not below the thresholds of a new recipe",
        "measured_on": f"{PACK}, {count or 'all'} images learned for "
        f"{f'{steps} steps' if steps else f'{seconds:g} s'}, mean AP 0.5…0.9 on the validation "
        "images; the peer is the same weights",
        "seeds": {"ours": ours.round(4).tolist(), "peer": peer.round(4).tolist()},
        "chosen": notes,
    }


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--steps", type=int, default=0, help="so many instead, however long")
    parser.add_argument("--counts", type=int, nargs="+", help="labelled images; 0 is all")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where runs are kept")
    options = parser.parse_args()
    if not common.SHARED.is_dir():
        raise SystemExit(f"skipped: {common.SHARED} isn't there")
    contest = Contest(options.cache)
    seconds, seeds = (10.0, [0]) if options.quick else (options.seconds, [0, 1, 2])
    steps = 0 if options.quick else options.steps
    entries: dict[str, Any] = {}
    for count in options.counts or (8, 16, 0):
        some = seeds if count else seeds[:1]
        name = f"thresholds_{count or 'all'}_images"
        entries[name] = entry(contest, count or None, some, 0.0 if steps else seconds, steps)
        common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
