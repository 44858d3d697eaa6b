"""Whether a training that is interrupted, kept on disk and gone on with equals one that is not.

Each part runs in a process of its own, as after a restart of the program.
"""

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from contest import Scene
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.events import Step, Trained
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps


def part(given: Scene, steps: int, stop: int | None, folder: Path, resume: bool) -> Any:
    """Train, from what is kept in the folder if `resume`, until the end or until a step.

    Returns
    -------
    dict or None
        Weights and validations of the model; None where the training was interrupted.
    """
    from napari_nucleate.core.training.train import train
    from napari_nucleate.io.snapshot import load_snapshot, save_snapshot

    examples = [
        Example(
            Path(row["image"]).stem,
            tifffile.imread(row["image"])[None],
            annotate(tifffile.imread(row["mask"])),
        )
        for row in given.fit
    ]
    optimisation = Optimisation(budget=Steps(value=steps), device="cpu")
    run = train(
        examples,
        Recipe(optimisation=optimisation),
        snapshot=load_snapshot(folder) if resume else None,
        keep=lambda snapshot: save_snapshot(snapshot, folder),
    )
    for event in run:
        if isinstance(event, Step) and stop is not None and event.step >= stop:
            run.close()
            return None
        if isinstance(event, Trained):
            record = event.model.card.record
            facts = [record.steps, record.best_step, record.validation_loss, record.validation_ap]
            return {"weights": event.model.weights, "facts": facts}
    raise RuntimeError("the training ended without a model")


def resume_equal(given: Scene, steps: int, stops: tuple[int, ...]) -> dict[str, Any]:
    """The entry: the largest difference of a weight between the two, which is to be 0."""
    with tempfile.TemporaryDirectory() as folder:
        whole = _alone(given, steps, None, Path(folder) / "whole", False)
        kept = Path(folder) / "interrupted"
        for i, stop in enumerate(stops):
            _alone(given, steps, stop, kept, i > 0)
        again = _alone(given, steps, None, kept, True)
    names = whole["weights"].keys()
    difference = max(
        float(np.abs(whole["weights"][n].astype(float) - again["weights"][n]).max()) for n in names
    )
    same = all(np.array_equal(whole["weights"][n], again["weights"][n]) for n in names)
    return {
        "ours": difference,
        "peer": None,
        "ratio": None,
        "goal": 0,
        "reached": same and names == again["weights"].keys() and whole["facts"] == again["facts"],
        "measured_on": f"{given.name}, default recipe, {steps} steps, interrupted after "
        f"{' and '.join(map(str, stops))} and read from disk in another process; largest "
        "difference of a weight from the uninterrupted training",
        "validation": {"whole": whole["facts"], "interrupted": again["facts"]},
    }


def _alone(*arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(part, arguments)
