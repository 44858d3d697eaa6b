"""napari-nucleate, as it comes: the recipe of a new project, its budget in seconds or steps."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import task as tasks
import tifffile
import torch

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.candidates import Candidates
from napari_nucleate.core.confidence import Confidence
from napari_nucleate.core.events import (
    Accepted,
    Prediction,
    SetAside,
    Started,
    Step,
    Tile,
    Trained,
    Validated,
    Warned,
)
from napari_nucleate.core.instances.warm import warm
from napari_nucleate.core.memory import keep_memory
from napari_nucleate.core.model import Card, Model
from napari_nucleate.core.patches import Example
from napari_nucleate.core.predict import Tiling, predict
from napari_nucleate.core.pseudo import pseudo_label
from napari_nucleate.core.recipe import Recipe, Steps
from napari_nucleate.core.rounds import SelfTraining, rounds
from napari_nucleate.core.training.train import train
from napari_nucleate.core.zoom import measured_diameter
from napari_nucleate.io.model import load_model, save_model


class Image:
    """One image in memory, as `predict` reads it."""

    def __init__(self, pixels: Any, ndim: int, key: str = "image") -> None:
        self.key = key
        self._pixels = tasks.channels_first(pixels, ndim)

    def read(self) -> Any:
        """The pixels, (C, *spatial)."""
        return self._pixels


def labels_of(model: Model, pixels: Any, confidence: bool = True) -> Any:
    """What `predict` finds, by default with the confidence of each object."""
    options = Confidence() if confidence else Confidence(agreement=False)
    source = Image(pixels, model.recipe.ndim)
    for event in predict(model, [source], confidence=options):
        if isinstance(event, Prediction):
            return event.labels
    raise RuntimeError("nothing was predicted")


def examples(task: tasks.Task) -> list[Example]:
    found = []
    for row, image, mask in zip(task.given["fit"], *task.fit(), strict=True):
        boxes = row.get("boxes")
        painted = annotate(mask, "boxes", boxes) if boxes else annotate(mask)
        key = Path(row["image"]).stem
        found.append(Example(key, tasks.channels_first(image, task.ndim), painted))
    return found


def recipe_for(task: tasks.Task, channels: int) -> Recipe:
    """The default, but for what the person or the data say; `recipe` tries variants."""
    recipe = Recipe(ndim=task.ndim, channels=channels)
    steps = task.given.get("steps", 0)
    given = (
        {"kind": "steps", "value": steps} if steps else {"kind": "seconds", "value": task.seconds}
    )
    plain = recipe.model_dump(mode="json")
    overlay(plain, {"optimisation": {"budget": given, "seed": task.seed, "device": "cpu"}})
    overlay(plain, task.given.get("recipe", {}))
    return Recipe.model_validate(plain)


def overlay(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Replace values in place, deeply; a thing of another kind replaces the whole of the old."""
    for key, value in new.items():
        there = old.get(key)
        alike = isinstance(value, dict) and isinstance(there, dict)
        if alike and value.get("kind", there.get("kind")) == there.get("kind"):
            overlay(there, value)
        else:
            old[key] = value


def learn(task: tasks.Task) -> None:
    given = examples(task)
    recipe = recipe_for(task, len(given[0].image))
    card = Card(recipe=recipe, spacing=task.spacing)
    compiled = warm()  # the docks do it in a process beside the window
    start = time.perf_counter()
    model, steps, validated, first = None, 0, [], 0.0
    for event in train(given, recipe, card=card):
        if isinstance(event, Step):
            steps = event.step
            first = first or time.perf_counter() - start
        elif isinstance(event, Validated):
            validated.append(
                [round(event.fraction, 3), round(event.ap, 4), event.model is not None]
            )
        elif isinstance(event, Started):
            task.note(event.note)
        elif isinstance(event, Warned):
            task.note(event.message)
        elif isinstance(event, Trained):
            model = event.model
    seconds = time.perf_counter() - start
    if model is None:
        raise RuntimeError("the training ended without a model")
    save_model(model, task.out / "model", overwrite=True)
    task.write(
        "labels",
        lambda image: labels_of(model, image),
        asked=task.seconds,
        seconds=round(seconds, 1),
        steps=steps,
        first_step_seconds=round(first, 2),
        best_step=model.card.record.best_step,
        validated=validated,
        compiled_before=compiled,
    )
    task.answer["recipe"] = model.recipe.model_dump(mode="json")


def self_train(task: tasks.Task) -> None:
    """Learn for a share of the steps, take the best of the pool, learn from both for the rest.

    The rest is shorter by the steps that could be made while the pool is predicted. The labels that
    were taken are written beside those of the test images, to be judged, too.
    """
    given = examples(task)
    recipe = recipe_for(task, len(given[0].image))
    paths = {Path(path).stem: Path(path) for path in task.given["pool"]}
    pool = [Image(tifffile.imread(path), task.ndim, key) for key, path in paths.items()]
    options = SelfTraining.parse({"rounds": 1, **task.given.get("options", {})})
    diameter = measured_diameter([e.annotation for e in given]) if task.ndim == 2 else 0.0
    if task.given["surest"]:
        Candidates.order = the_surest
    warm()
    card = Card(recipe=recipe, spacing=task.spacing)
    share = round(task.given["steps"] * task.given["share"])
    *_, trained = train(given, of_steps(recipe, share), card=card)
    models: list[Model] = [trained.model]
    spent = pool_time(models[0], pool, options) * share / trained.model.card.record.seconds
    second = of_steps(recipe, max(round(task.given["steps"] - share - spent), 1))
    steps = rounds(given, pool, recipe, options, refine=second, card=card, model=models[0])
    predicted: dict[str, Prediction] = {}
    aside, began, pool_seconds = False, time.perf_counter(), 0.0
    for event in steps:
        if isinstance(event, Trained):
            models.append(event.model)
        elif isinstance(event, Prediction):
            predicted[event.key] = event
        elif isinstance(event, Accepted):
            pool_seconds = time.perf_counter() - began
            task.note(event.note)
            used = models[0].recipe
            labels = {k: pseudo_label(predicted[k], used, options, diameter) for k in event.keys}
            write_accepted(task, {k: label.annotation.labels for k, label in labels.items()})
        elif isinstance(event, SetAside | Warned):
            task.note(event.note if isinstance(event, SetAside) else event.message)
            aside = aside or isinstance(event, SetAside)
        # What the last model makes of the pool isn't asked for.
        if len(models) == 2 and isinstance(event, Tile):
            break
    steps.close()
    if aside:
        models.pop()
    elif len(models) == 1:
        task.note("the rest of the time was spent on the labels alone")
        *_, trained = train(given, second, card=card, initial=models[0])
        models.append(trained.model)
    model = models[-1]
    save_model(model, task.out / "model", overwrite=True)
    task.write(
        "labels",
        lambda image: labels_of(model, image),
        asked=task.given["steps"],
        seconds=round(sum(one.card.record.seconds for one in models), 1),
        steps=[one.card.record.steps for one in models],
        pool_seconds=round(pool_seconds, 1),
        accepted=len(list((task.out / "accepted").glob("*.tif"))),
    )


def the_surest(good: Candidates, ranked: list[str], count: int) -> list[str]:
    """Those that are good enough, the surest first: what a ranking alone would take."""
    del count
    return [key for key in ranked if key in good]


def pool_time(model: Model, pool: list[Image], options: SelfTraining) -> float:
    """How long predicting a pool will take, by every fourth of its images."""
    began, some = time.perf_counter(), pool[::4]
    for _ in predict(model, some, tiling=Tiling(zooms=options.zooms), device="cpu"):
        continue
    return (time.perf_counter() - began) * len(pool) / len(some)


def of_steps(recipe: Recipe, steps: int) -> Recipe:
    optimisation = recipe.optimisation.model_copy(update={"budget": Steps(value=steps)})
    return recipe.model_copy(update={"optimisation": optimisation})


def write_accepted(task: tasks.Task, labels: dict[str, np.ndarray]) -> None:
    """Write the objects that are learned from."""
    folder = task.out / "accepted"
    folder.mkdir()
    for key, objects in labels.items():
        tifffile.imwrite(folder / f"{key}.tif", objects.astype(np.uint16))


def clock(task: tasks.Task) -> None:
    model = load_model(Path(task.given["model"]) / "model")
    warm()
    task.clock(lambda image: labels_of(model, image))
    task.clock(lambda image: labels_of(model, image, confidence=False))


def main() -> None:
    task = tasks.task()
    keep_memory()  # as the command line does, and the docks' process
    {"learn": learn, "self-train": self_train, "time": clock}[task.do](task)
    task.done(torch=torch.__version__)


if __name__ == "__main__":
    main()
