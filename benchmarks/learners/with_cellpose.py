"""Cellpose 3 from random weights, with as many epochs as the clock allows."""

import math
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import task as tasks
import torch
from cellpose import dynamics, models, train

GREY = [0, 0]
"""Colours become their mean, Cellpose's default."""

TOO_LONG = 1.25
"""A training that goes on for so many times its budget is ended where it is."""

TOO_SHORT = 0.9
"""One that took a smaller share of its budget is made once more, with the epochs it needs."""


class TimeIsOverError(Exception):
    """The estimate of the epochs was far too high."""


def fresh() -> Any:
    return models.CellposeModel(gpu=False, pretrained_model=False, model_type=None)


def loaded(path: Path) -> Any:
    return models.CellposeModel(gpu=False, pretrained_model=str(path))


def planes(images: list[Any], masks: list[Any]) -> tuple[list[Any], list[Any]]:
    """Cellpose learns in 2D, also for volumes: planes along Z."""
    flat = [
        (image[z], mask[z])
        for image, mask in zip(images, masks, strict=True)
        for z in range(len(mask))
    ]
    kept = [(image, mask) for image, mask in flat if mask.any()]
    return [image for image, _ in kept], [mask for _, mask in kept]


def seconds_an_image(images: list[Any], flows: list[Any]) -> float:
    """Of training, by two epochs with a network that is thrown away; one before warms up."""
    few = range(min(len(images), 16))
    some, their = [images[i] for i in few], [flows[i] for i in few]
    times = []
    for epochs in (1, 3):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            train.train_seg(
                fresh().net, some, their, channels=GREY, n_epochs=epochs, save_path=folder
            )
            times.append(time.perf_counter() - start)
    return max(times[1] - times[0], 1e-3) / (2 * len(some))


def learn(task: tasks.Task) -> None:
    images, masks = task.fit()
    if task.ndim == 3:
        images, masks = planes(images, masks)
        task.note("trained on the planes along Z, predicted with do_3D")
    start = time.perf_counter()
    where = torch.device("cpu")
    flows = dynamics.labels_to_flows([mask.astype(np.uint16) for mask in masks], device=where)
    of_flows = time.perf_counter() - start
    # A training of seconds, to see whether all of this runs, has one epoch.
    an_image = seconds_an_image(images, flows) if task.seconds > 30 else math.inf
    epochs = max(1, math.ceil((task.seconds - of_flows) / (an_image * len(images))))
    seconds = trained(task, images, flows, epochs) + of_flows
    if seconds < TOO_SHORT * task.seconds and epochs > 1:
        # Others had the machine while epochs were timed: now it is known what one takes.
        epochs = math.ceil(epochs * (task.seconds - of_flows) / (seconds - of_flows))
        seconds = trained(task, images, flows, epochs) + of_flows
    task.note("as many epochs as the time needs, rounded up")
    model = loaded(task.out / "models" / "model")
    task.answer["diameter"] = round(float(model.net.diam_labels.item()), 2)
    task.write(
        "labels",
        lambda image: found(model, image, task),
        asked=task.seconds,
        seconds=round(seconds, 1),
        flow_seconds=round(of_flows, 1),
        steps=epochs * math.ceil(len(images) / 8),
        epochs=epochs,
    )


def trained(task: tasks.Task, images: list[Any], flows: list[Any], epochs: int) -> float:
    """Train for so many epochs, and save what was learned; returns the seconds."""
    torch.manual_seed(task.seed)
    model = fresh()
    start = time.perf_counter()

    def watch(*_: Any) -> None:
        if time.perf_counter() - start > TOO_LONG * task.seconds:
            raise TimeIsOverError

    hook = model.net.register_forward_pre_hook(watch)
    try:
        train.train_seg(
            model.net,
            images,
            flows,
            channels=GREY,
            n_epochs=epochs,
            save_path=str(task.out),
            model_name="model",
            **task.given.get("options", {}),
        )
    except TimeIsOverError:
        task.note(f"ended after {TOO_LONG} times its time: epochs took longer than estimated")
        model.net.save_model(task.out / "models" / "model")
    hook.remove()
    return time.perf_counter() - start


def found(model: Any, image: Any, task: tasks.Task) -> Any:
    if task.ndim == 2:
        return model.eval(image, channels=GREY)[0]
    depth = task.spacing[0] / task.spacing[-1] if task.spacing else 1.0
    return model.eval(image, channels=GREY, z_axis=0, do_3D=True, anisotropy=depth)[0]


def clock(task: tasks.Task) -> None:
    model = loaded(Path(task.given["model"]) / "models" / "model")
    task.clock(lambda image: found(model, image, task))


def main() -> None:
    task = tasks.task()
    learn(task) if task.do == "learn" else clock(task)
    task.done(cellpose=version("cellpose"), torch=torch.__version__)


if __name__ == "__main__":
    main()
