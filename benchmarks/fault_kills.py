"""`kill -9` at random moments: does the project open, is a stroke lost, is a file corrupted?

Each kind of work runs in a process of its own, on one project that is killed again and again, as
that of a person with bad luck. Processes are forked from one that has loaded torch and napari
already, so that 200 kills take minutes.
"""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Instances
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.targets import Boundary
from napari_nucleate.io.model import CARD, WEIGHTS
from napari_nucleate.io.read import read_folder
from napari_nucleate.io.snapshot import has_snapshot
from napari_nucleate.project.model import PAINTED, Item, State
from napari_nucleate.project.store import Store

KILLS, QUICK, SEED = 40, 3, 20
"""Kills of each kind; their seed."""
LATE = 2.0
"""Seconds after which a finished stroke must be safe."""
LONGEST = {"train": 3.0, "save": 1.0, "self-train": 4.0, "export": 1.5, "autosave": 6.0}
"""Seconds from the first sign of work within which the kill comes, by kind."""
PRELOADED = [
    "torch",
    "napari.viewer",
    "napari_nucleate.cli.app",
    "napari_nucleate.core.training.train",
    "napari_nucleate.core.rounds",
    "napari_nucleate.core.predict",
    "napari_nucleate.gui.session",
    "napari_nucleate.io.model",
]

Tell = Callable[[Any], None]


# -- what is killed -------------------------------------------------------------------


def tiny(steps: int) -> Recipe:
    """A network that learns in seconds."""
    small = {"patch": 32, "batch": 2, "device": "cpu"}
    return Recipe(
        target=Boundary(),
        architecture=UNet(width=4, levels=2),
        optimisation=Optimisation(budget=Steps(value=steps), **small),
    )


def training(folder: Path, tell: Tell, seed: int) -> None:
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


def self_training(folder: Path, tell: Tell, seed: int) -> None:
    """Go on with a project by the command, again and again."""
    from napari_nucleate.core.training import run as inside

    inside.KEEP_EVERY = 0.2
    tell("works")
    while True:
        command("self-train", folder, "--rounds", 1, "--steps", 6, "--best", 1, "--seed", seed)


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


# -- what is looked at afterwards -----------------------------------------------------


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
        small += ["--rounds", 1, "--best", 1]
        command("self-train", "--images", images, "--masks", masks, *small, "--out", folder)
        return
    with Store(folder) as store:
        items = (Item(key="a", status="labelled"),) if kind == "save" else ()
        recipe = tiny(4)
        store.save_annotation("a", np.ones((200, 300), int))
        store.save_state(
            State(name="kills", recipe=recipe, items=items, self_training=SelfTraining())
        )


def opened(folder: Path) -> tuple[Store, State]:
    """The project, claimed: the lock of who was killed is free."""
    store = Store(folder, "the check")
    store.claim()
    return store, store.load_state()


def broken(kind: str, folder: Path, store: Store, state: State) -> list[str]:
    """What of a project can't be read, or is of two different saves."""
    wrong: list[str] = []

    def look(what: str, read: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return read()
        except Exception as error:  # noqa: BLE001  # each is one that a person would see
            wrong.append(f"{what}: {error!r}")
            return None

    look("boxes", store.load_boxes)
    for item in state.items:
        painted = look("annotation", lambda key=item.key: store.load_annotation(key))
        if painted is None and item.status in PAINTED:
            wrong.append(f"{item.key}: labelled, but without labels")
        prediction = look("prediction", lambda key=item.key: store.load_prediction(key))
        look("table", lambda key=item.key: store.load_table(key))
        if prediction is None and item.status in ("predicted", "accepted", "rejected"):
            wrong.append(f"{item.key}: {item.status}, but without a prediction")
        if kind == "save" and prediction is not None and not same_number(prediction):
            wrong.append(f"{item.key}: a prediction of two saves")
        if kind == "save" and painted is not None and len(np.unique(painted)) != 1:
            wrong.append(f"{item.key}: labels of two saves")
    named = {entry.model for entry in state.rounds}
    for model in sorted((store.folder / "models").glob("*")):
        begun = any((model / name).exists() for name in (WEIGHTS, CARD))
        if begun or model.name in named:
            found = look("model", lambda name=model.name: store.load_model(name))
            if kind == "save" and found is not None:
                step = found.card.record.best_step
                if any((value != step).any() for value in found.weights.values()):
                    wrong.append(f"{model.name}: weights and card of two saves")
        if has_snapshot(model):
            look("snapshot", lambda name=model.name: store.load_snapshot(name))
    look("what was interrupted", store.interrupted)
    for out in folder.glob("exported-*/labels"):
        if any(path for path in out.iterdir() if not path.name.startswith(".")):
            for stack in look("export", lambda out=out: read_folder(out)) or ():
                look("export", lambda stack=stack: stack.data[...])
        table = out.parent / "measurements.csv"
        if table.exists() and not table.read_text("utf-8").endswith("\n"):
            wrong.append(f"{table}: cut off")
    return wrong


def same_number(prediction: Prediction) -> bool:
    """Whether all files of a numbered prediction are of one save."""
    number = round(1000 * prediction.scores.image)
    wanted = numbered(number)
    found = prediction.instances
    return (
        np.array_equal(prediction.labels, wanted.labels)
        and np.array_equal(prediction.maps, wanted.maps)
        and prediction.scores.objects == wanted.scores.objects
        and found is not None
        and found.rays is not None
        and bool((found.rays == number).all())
    )


# -- killing --------------------------------------------------------------------------


def one_kill(context: Any, kind: str, folder: Path, index: int) -> dict[str, Any]:
    """Start, kill at a random moment, and look."""
    rng = np.random.default_rng([SEED, index, len(kind)])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(kind, folder, there, index))
    process.start()
    there.close()
    told = [here.recv()]
    end = time.monotonic() + float(rng.uniform(0, LONGEST[kind]))
    while (left := end - time.monotonic()) > 0 and here.poll(left):
        told.append(here.recv())
        if told[-1][0] == "failed":
            break
    killed = time.monotonic()
    process.kill()
    process.join()
    while True:
        try:
            told.append(here.recv())
        except (EOFError, OSError):
            break
    failed = [one[1] for one in told if one[0] == "failed"]
    result: dict[str, Any] = {"failed": failed, "lost": [], "corrupted": [], "not_opened": []}
    strokes = [one[1:] for one in told if one[0] == "stroke"]
    if kind == "autosave":
        folder = next((Path(one[1]) for one in told if one[0] == "project"), folder)
    due = [one for one in strokes if one[3] < killed - LATE]
    result["strokes"] = len(due)
    if kind == "autosave" and not due and not (folder / "nucleate.json").exists():
        return result  # nothing was old enough to be kept
    try:
        store, state = opened(folder)
    except NucleateError as error:
        result["not_opened"].append(str(error))
        result["lost"] = due
        return result
    try:
        result["corrupted"] = broken(kind, folder, store, state)
        painted: dict[str, Any] = {}
        for key, place, label, at in due:
            if key not in painted:
                painted[key] = store.load_annotation(key)
            if painted[key] is None or painted[key][tuple(place)] != label:
                result["lost"].append((key, place, label, round(killed - at, 2)))
    finally:
        store.close()
    return result


@contextmanager
def screen() -> Iterator[None]:
    """A virtual screen, where there is none."""
    if os.environ.get("DISPLAY"):
        yield
        return
    reading, writing = os.pipe()
    wanted = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24"]
    with subprocess.Popen(wanted, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as file:
            os.environ["DISPLAY"] = f":{file.readline().strip()}"
        try:
            yield
        finally:
            del os.environ["DISPLAY"]
            server.terminate()


def kills(quick: bool, kinds: tuple[str, ...] = tuple(WORK)) -> dict[str, Any]:
    """Kill each kind of work so many times.

    Returns
    -------
    dict
        n, strokes that were old enough, how many of them were lost, projects with a corrupted file,
        projects that didn't open; by kind too, with what was wrong first.
    """
    count, by = QUICK if quick else KILLS, {}
    with screen(), tempfile.TemporaryDirectory(prefix="kills-") as home:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        for kind in kinds:
            started, results = time.monotonic(), []
            for i in range(count):
                folder = Path(home) / f"{kind}-{i // 10}"
                if i % 10 == 0:
                    begin(kind, folder)
                results.append(one_kill(context, kind, folder, i))
            by[kind] = summed(results) | {"seconds": round(time.monotonic() - started, 1)}
            shutil.rmtree(folder)
    whole = ("n", "strokes", "lost", "corrupted", "not_opened", "failed")
    return {name: sum(one[name] for one in by.values()) for name in whole} | {
        "goal": "0 lost, 0 corrupted, 0 not opened",
        "reached": not any(one[n] for one in by.values() for n in whole[2:]),
        "measured_on": f"kill -9 at a random moment, {count} of each kind",
        "by": by,
    }


def summed(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of one kind, and what was wrong first."""
    found: dict[str, Any] = {"n": len(results), "strokes": sum(r["strokes"] for r in results)}
    found["lost"] = sum(len(r["lost"]) for r in results)
    for name in ("corrupted", "not_opened", "failed"):
        found[name] = sum(bool(r[name]) for r in results)
    first = [
        str(one)
        for r in results
        for n in ("failed", "not_opened", "corrupted", "lost")
        for one in r[n]
    ]
    return found | ({"first": first[:5]} if first else {})


if __name__ == "__main__":
    from common import finish, parser

    made = parser(__doc__)
    made.add_argument("--kinds", nargs="*", default=list(WORK))
    options = made.parse_args()
    finish(options, {"kills": kills(options.quick, tuple(options.kinds))})
