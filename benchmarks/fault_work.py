"""What is killed: each kind of work on a project, in a process of its own, until it is ended."""

import os
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Instances
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.targets import Boundary
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store

SEED = 20
"""Of all that is drawn."""

ALL_GOOD = ("--least", 0, "--sure", 0, "--sizes", 1000)
"""What is predicted by a network that learned for six steps joins: else no round would follow."""

Tell = Callable[[Any], None]


def begin(kind: str, folder: Path) -> None:
    """Make the project that is killed."""
    if kind == "autosave":
        folder.mkdir()
        return
    if kind in ("self-train", "export"):
        from napari_nucleate.cli.sampling import write_sample

        sample = NucleiSample(count=4, size=64, radius=6)
        images, masks = write_sample(sample, folder.with_name(f"{folder.name}-sample"))
        (masks / "nuclei_3.tif").unlink()
        (masks / "nuclei_2.tif").unlink()
        small = ["--width", 4, "--levels", 2, "--patch", 32, "--batch", 2, "--steps", 6]
        small += ["--rounds", 1, *ALL_GOOD]
        command("self-train", "--images", images, "--masks", masks, *small, "--out", folder)
        return
    with Store(folder) as store:
        items = (Item(key="a", status="labelled"),) if kind == "save" else ()
        recipe = tiny(4)
        store.save_annotation("a", np.ones((200, 300), int))
        store.save_state(State(name="kills", recipe=recipe, items=items))


def tiny(steps: int) -> Recipe:
    """A network that learns in seconds."""
    small = {"patch": 32, "batch": 2, "device": "cpu"}
    return Recipe(
        target=Boundary(),
        architecture=UNet(width=4, levels=2),
        optimisation=Optimisation(budget=Steps(value=steps), **small),
    )


def training(folder: Path, tell: Tell, _: int) -> None:
    """Train, or go on with the training that was killed; a snapshot five times a second."""
    from napari_nucleate.core.annotation import annotate
    from napari_nucleate.core.events import Step, Trained
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.training import run as inside
    from napari_nucleate.project import run

    inside.KEEP_EVERY = 0.2
    sample = NucleiSample(count=3, size=64, radius=6, seed=1).make()
    refs = zip(sample.images.images(2), sample.labels.images(2), strict=True)
    examples = [Example(i.key, i.read(), annotate(m.read()[0])) for i, m in refs]
    with Store(folder, "the kills") as store:
        while True:
            state, name = store.load_state(), store.interrupted()
            snapshot = store.load_snapshot(name) if name else None
            recipe = tiny(40) if snapshot is None else snapshot.card.recipe
            card = Card(recipe=recipe, record=Record(name=name or store.new_model_name(0)))
            for event in run.training(store, examples, recipe, card, snapshot=snapshot):
                if isinstance(event, Step):
                    tell("works")
                if isinstance(event, Trained):
                    store.save_state(run.entered(state, event.model))
                    tell(("model", card.record.name))


def self_training(folder: Path, tell: Tell, seed: int) -> None:
    """Go on with a project by the command, again and again; tell of each model that is shown."""
    from napari_nucleate.cli.progress import Follower
    from napari_nucleate.core.events import Trained
    from napari_nucleate.core.training import run as inside

    show = Follower.show

    def shown(follower: Follower, event: object) -> None:
        if isinstance(event, Trained):
            tell(("model", event.model.card.record.name))
        show(follower, event)

    Follower.show = shown  # type: ignore[method-assign]
    inside.KEEP_EVERY = 0.2
    tell("works")
    while True:
        command("self-train", folder, "--rounds", 1, "--steps", 6, *ALL_GOOD, "--seed", seed)


def exporting(folder: Path, tell: Tell, seed: int) -> None:
    """Export the predictions of a project by the command, each time into a new folder."""
    tell("works")
    for i in range(10_000):
        out = folder / f"exported-{seed}-{i}"
        command("export", folder / "predictions", "--out", out)


def saving(folder: Path, tell: Tell, seed: int) -> None:
    """Write everything that a project holds, in any order, each with a number of its own."""
    from napari_nucleate.core.model import build, weights_of

    rng = np.random.default_rng([SEED, seed])
    weights = weights_of(build(tiny(4)))
    with Store(folder, "the kills") as store:
        state = store.load_state()
        tell("works")
        while True:
            number, which = int(rng.integers(1, 500)), int(rng.integers(5))
            if which == 0:
                store.save_state(state.model_copy(update={"name": f"state {number}"}))
            elif which == 1:
                store.save_annotation("a", np.full((200, 300), number))
            elif which == 2:
                store.save_boxes({"a": [[[0, 0], [number, number]]]})
            elif which == 3:
                store.save_prediction(numbered(number))
            else:
                record = Record(name="round-0", best_step=number)
                card = Card(recipe=tiny(4), record=record)
                same = {k: np.full_like(v, number) for k, v in weights.items()}
                store.save_model(Model(card, same))
                if number % 3 == 0:
                    changed = record.model_copy(update={"thresholds": "changed"})
                    store.save_card("round-0", card.model_copy(update={"record": changed}))


def numbered(number: int) -> Prediction:
    """A prediction of which each file tells the number."""
    labels = np.zeros((120, 130), np.int32)
    n = 1 + number % 40
    labels[0, : 3 * n] = np.repeat(np.arange(1, n + 1), 3)
    maps = np.full((3, *labels.shape), number, np.float16)
    points, rays = (np.full((n, k), number, np.float32) for k in (2, 8))
    found = Instances(labels, np.full(n, 0.5, np.float32), points, rays, None)
    scores = Scores(number / 1000, dict.fromkeys(range(1, n + 1), 0.5), "it is numbered")
    return Prediction("a", maps, labels, scores, found)


def painting(folder: Path, tell: Tell, seed: int) -> None:
    """Paint in a window by the layer's own brush, and tell of each stroke once it is done."""
    import napari
    from qtpy.QtCore import QTimer

    from napari_nucleate.gui.session import session_of

    rng = np.random.default_rng([SEED, seed])
    os.environ["NUCLEATE_HOME"] = str(folder)
    volume = bool(seed % 2)
    shape = (16, 512, 512) if volume else (4, 512, 512)
    viewer = napari.Viewer(show=True)
    session = session_of(viewer)
    layer = viewer.add_image(np.zeros(shape, np.uint8), name="cells")
    session.choose_layer(layer, "ZYX" if volume else "NYX", 3 if volume else 2)
    labels = session.annotate()
    labels.brush_size = 5
    labels.mode = "paint"
    keys = session.state.keys()
    tell(("project", str(session.store.folder)))
    count = 0

    def stroke() -> None:
        nonlocal count
        count += 1
        # No two strokes meet: each has a place of its own on a grid of 10 x 10 pixels.
        plane = int(rng.integers(shape[0]))
        place = (plane, 5 + 10 * (count // 50), 5 + 10 * (count % 50))
        viewer.dims.set_current_step(0, plane)
        with labels.block_history():
            labels.paint(place, 1 + count)
        at = place if volume else place[1:]
        tell(("stroke", keys[0] if volume else keys[plane], at, 1 + count, time.monotonic()))
        timer.start(int(rng.integers(20, 900)))

    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(stroke)
    timer.start(0)
    napari.run()


def command(*arguments: Any) -> None:
    """Run a command of `nucleate` in this process."""
    from napari_nucleate.cli.app import app

    app([str(one) for one in arguments], standalone_mode=False)


WORK = {
    "train": training,
    "save": saving,
    "self-train": self_training,
    "export": exporting,
    "autosave": painting,
}


def child(kind: str, folder: Path, pipe: Connection, seed: int) -> None:
    """What a process does until it is killed. What goes wrong before is told."""
    import torch

    torch.set_num_threads(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    try:
        WORK[kind](folder, pipe.send, seed)
    except BaseException:  # noqa: BLE001  # whatever it is, a kill didn't cause it
        pipe.send(("failed", traceback.format_exc()))
