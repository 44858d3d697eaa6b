"""A project on disk: a folder that a person can read.

nucleate.json        the state; nucleate.previous.json one of a moment before
log.csv              what happened, a line each
annotations/KEY.tif  what the person painted; KEY.planes/: planes of a volume that are newer;
                     boxes.json: the boxes where it counts
predictions/KEY.tif  the labels a model drew; maps/KEY.tif its maps; KEY.json the scores, and
                     what else is known of each object; stars/KEY.safetensors centres and rays
models/NAME/         weights.safetensors and model.json; resume.safetensors while its training is
                     interrupted; of both safetensors, *.previous.* is the one before
rounds/NAME.json     what each model learned from: which images, whose labels, how sure

Names that begin with a dot are the program's: the lock, and files half written.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_nucleate.core.annotation import as_labels
from napari_nucleate.core.errors import DamagedError, NucleateError
from napari_nucleate.core.images import SPATIAL, as_file_name
from napari_nucleate.io.atomic import made, sweep, write_text
from napari_nucleate.io.boxes import Boxes, read_boxes, write_boxes
from napari_nucleate.io.guard import advised
from napari_nucleate.io.model import CARD, load_card, load_model, save_model
from napari_nucleate.io.planes import drop_planes, loose, newer_planes, places, save_planes
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.snapshot import (
    drop_snapshot,
    has_snapshot,
    load_snapshot,
    save_snapshot,
    snapshot_card,
)
from napari_nucleate.io.write import write_labels
from napari_nucleate.project import log
from napari_nucleate.project.images import portable, resolved
from napari_nucleate.project.lock import ProjectLock
from napari_nucleate.project.log import Happened
from napari_nucleate.project.model import PAINTED, State
from napari_nucleate.project.predictions import Predictions
from napari_nucleate.project.state_file import (
    STATE,
    keep_aside,
    read_state,
    there,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from numpy.typing import NDArray

    from napari_nucleate.core.confidence import Scores
    from napari_nucleate.core.events import Prediction
    from napari_nucleate.core.model import Card, Model
    from napari_nucleate.core.training.snapshot import Snapshot
    from napari_nucleate.project.learned import Round

SPARE = 10.0
"""Seconds after which the state before the one that is written is kept again: who paints has the
state written every second, and two files that were written at once are lost at once."""
PAINT_AGAIN = (
    "put an earlier copy of it back, from a backup or a zip file of the project; without one, put "
    "an empty label image of that size in its place, and paint again"
)
PARTS = ("annotations", "predictions", "models", "rounds")
"""Folders of a project that only the program writes to."""


class Store:
    """Reads and writes the files of one project. Every write is whole or not at all.

    From the first write on it holds the project's lock, until it is closed: what reads needs none.

    Parameters
    ----------
    folder : Path
        Made at the first write where it doesn't exist.
    what : str
        What works on it, for others that want to meanwhile.

    Attributes
    ----------
    locked : str
        Why it is only read; empty where it may be written.
    restored : str
        That the state that was read is one of before, and why; empty where it is the last.
    """

    def __init__(self, folder: Path, what: str = "a napari window") -> None:
        self.folder = folder
        self.locked = self.restored = ""
        self._what = what
        self._saved: State | None = None
        self._spared = 0.0
        self._lock = ProjectLock(folder, what)
        self._annotating = threading.Lock()
        self._predictions = Predictions(folder / "predictions")

    def __enter__(self) -> Self:
        if self.exists:  # else there is nothing to keep others from, and no folder to make
            self.claim()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def claim(self) -> None:
        """Keep others from writing; what is read from now on doesn't change by itself.

        Raises
        ------
        NucleateError
            If another window or command works on the project, or its folder can't be written to.
        """
        if self.locked:
            raise NucleateError(self.locked)
        if self._lock.held:  # where its drive is away, no other folder takes its place
            return
        made(self.folder, parents=True)
        self._lock.take()
        self._tidy()

    def _tidy(self) -> None:
        """End what a program that was killed began: nobody else writes here now."""
        self._predictions.settle()
        sweep(self.folder, deep=False)
        for name in PARTS:
            sweep(self.folder / name)

    def claim_or_look(self) -> None:
        """Keep others from writing; where that can't be, only read from now on: see `locked`."""
        try:
            self.claim()
        except NucleateError as error:
            self.locked = f"Opened to look at only; open it again to work on it: {error}"

    def close(self) -> None:
        """Let others write."""
        self._lock.free()

    @property
    def exists(self) -> bool:
        """Whether the folder holds a project."""
        return there(self.folder) is not None

    def save_state(self, state: State) -> None:
        """Write `nucleate.json`; paths of images inside the folder are relative there.

        A damaged one is kept under another name before.
        """
        self.claim()
        before = self._saved or (self.load_state() if self.exists else None)
        now, aside = time.monotonic(), keep_aside(self.folder) if self.restored else ""
        due = before not in (None, state) and now > self._spared + SPARE
        spare = portable(before, self.folder) if before is not None and due else None
        write_state(self.folder, portable(state, self.folder), spare)
        self._saved = state
        if spare is not None:
            self._spared = now
        if self.restored:
            self.restored = ""
            self.note(Happened("restored", note=f"The damaged state is {aside}." * bool(aside)))
        self.note(*log.between(before, state))

    def note(self, *happened: Happened) -> None:
        """Add to the project's log; nothing where there is no project, or it is only read."""
        if happened and self.exists and not self.locked:
            log.write(self.folder, self._what, happened)

    def load_state(self) -> State:
        """Read `nucleate.json`; paths of images are absolute.

        Where the file is damaged, the state kept before it, with images that were painted since;
        `restored` says so then. Nothing is changed on the disk.

        Raises
        ------
        NucleateError
            If the folder holds no project, one of a newer version, or one whose state can't be read
            nor the one before it.
        """
        if not self.exists:
            raise NucleateError(
                f"{self.folder} is not a project: it has no {STATE}. Give a folder made by "
                "`nucleate self-train` or the window."
            )
        read = read_state(self.folder)
        state, self.restored = resolved(read.state, self.folder), read.why
        self._saved = self._with_labels(state) if read.why else state
        return self._saved

    def _with_labels(self, state: State) -> State:
        """The state with images labelled that are painted on by now, and no others."""
        changed = []
        for item in state.items:
            with suppress(NucleateError):  # who needs a damaged file says so
                kept = self.load_annotation(item.key)
                if kept is not None and kept.any() != (item.status in PAINTED):
                    erased = "unlabelled" if item.confidence is None else "predicted"
                    status = "labelled" if kept.any() else erased
                    changed.append(item.model_copy(update={"status": status}))
        return state.replace(*changed)

    def save_annotation(
        self,
        key: str,
        painted: NDArray[Any],
        spacing: tuple[float, ...] = (),
        units: tuple[str, ...] = (),
        *,
        newer: Container[str] = (),
    ) -> Path:
        """Write what a person painted on an image, labels of shape (*spatial).

        Parameters
        ----------
        key : str
        painted : ndarray
        spacing, units : tuple
        newer : container of str
            Images painted on since; of those nothing is written. Another thread may add to it, and
            then write what is newer: that comes after this.

        Returns
        -------
        Path
            The file.
        """
        path = self._made(self.folder / "annotations") / f"{key}.tif"
        with self._annotating:
            # Looked up while nobody else writes: else the older could take the newer one's place.
            if key not in newer:
                labels = as_labels(painted)
                # Killed before they are dropped, planes that are newer than the file must be so.
                newer_too = [at for at in places(path) if labels.ndim == 3 and at < len(labels)]
                if newer_too:
                    save_planes(path, {at: labels[at] for at in newer_too})
                write_labels(path, labels, SPATIAL[labels.ndim], spacing, units, overwrite=True)
                drop_planes(path)
        return path

    def save_planes(
        self,
        key: str,
        planes: Mapping[int, NDArray[Any]],
        shape: tuple[int, ...],
        spacing: tuple[float, ...] = (),
        units: tuple[str, ...] = (),
    ) -> None:
        """Write what a person painted on some planes of a volume, and nothing else of it.

        Parameters
        ----------
        key : str
        planes : mapping of int to ndarray, shape (Y, X)
            By their place along Z.
        shape, spacing, units : tuple
            Of the volume, along Z, Y, X.
        """
        if shape[0] == 1:
            self.save_annotation(key, planes[0][np.newaxis], spacing, units)
            return
        path = self._made(self.folder / "annotations") / f"{key}.tif"
        with self._annotating:
            if not path.is_file():
                empty = np.broadcast_to(np.uint16(0), shape)
                write_labels(path, empty, SPATIAL[3], spacing, units)
            save_planes(path, {at: as_labels(plane) for at, plane in planes.items()})

    def holds(self, key: str, painted: NDArray[Any]) -> bool:
        """Whether what a person painted on an image is what was written last."""
        try:
            kept = self.load_annotation(key)
        except NucleateError:
            return False
        return kept is not None and np.array_equal(kept.ravel(), painted.ravel())

    def join_planes(self) -> None:
        """Have one file for each volume, with the planes that were written alone.

        Raises
        ------
        NucleateError
            If a file is damaged, or can't be written; nothing is lost then.
        """
        for path in loose(self.folder / "annotations"):
            self.claim()
            with self._annotating:
                with advised(PAINT_AGAIN):
                    stack, labels = read_stack(path), self.load_annotation(path.stem)
                if labels is not None:
                    write_labels(path, labels, stack.axes, stack.scale, stack.units, overwrite=True)
                    drop_planes(path)

    def load_annotation(self, key: str) -> NDArray[np.int32] | None:
        """Read what a person painted, or None where nothing was saved."""
        path = self.folder / "annotations" / f"{key}.tif"
        if not path.is_file():
            return None
        labels = _labels(path)
        for at, plane in newer_planes(path, labels.shape).items():
            labels[at] = as_labels(plane)
        return labels

    @property
    def boxes_file(self) -> Path:
        """Where the boxes on all images are written."""
        return self.folder / "annotations" / "boxes.json"

    def save_boxes(self, boxes: Mapping[str, Any]) -> None:
        """Write the corners ((start, ...), (stop, ...)) of the boxes on each image, in pixels."""
        self._made(self.boxes_file.parent)
        write_boxes(self.boxes_file, boxes)

    def load_boxes(self) -> Boxes:
        """Read the boxes on each image; none where none were saved.

        Raises
        ------
        NucleateError
            If the file is damaged.
        """
        try:
            return read_boxes(self.boxes_file) if self.boxes_file.is_file() else {}
        except DamagedError as error:
            raise DamagedError(
                f"{error} Put an earlier copy of it back, or remove it and draw the boxes again."
            ) from error

    def save_prediction(
        self,
        prediction: Prediction,
        spacing: tuple[float, ...] = (),
        units: tuple[str, ...] = (),
    ) -> None:
        """Write a prediction, over an older one of the image; see `Predictions.save`."""
        self.claim()
        self._predictions.save(prediction, spacing, units)

    def load_prediction(self, key: str) -> Prediction | None:
        """Read a prediction, or None where there is none.

        Raises
        ------
        NucleateError
            If one of its files is damaged.
        """
        return self._predictions.load(key)

    def load_predicted_labels(self, key: str) -> NDArray[np.int32] | None:
        """Read the labels of a prediction without its maps, or None where there is none."""
        return self._predictions.load_labels(key)

    def load_scores(self, key: str) -> Scores | None:
        """Read the scores of a prediction, or None where there is none.

        Raises
        ------
        NucleateError
            If the file is damaged.
        """
        return self._predictions.load_scores(key)

    def load_table(self, key: str) -> dict[str, Mapping[int, float]]:
        """Read what is known of the objects of a prediction, by column and label; for tables.

        Raises
        ------
        NucleateError
            If the file is damaged.
        """
        return self._predictions.load_table(key)

    def save_model(self, model: Model) -> Path:
        """Write a model under its own name, over an earlier state of the same training."""
        models = self._made(self.folder / "models")
        return save_model(model, models / model.card.record.name, overwrite=True)

    def load_model(self, name: str) -> Model:
        """Read a model by its name."""
        return load_model(self.folder / "models" / name)

    def load_card(self, name: str) -> Card:
        """Read what a model is and how it was trained, without its weights."""
        return load_card(self.folder / "models" / name)

    def save_card(self, name: str, card: Card) -> None:
        """Write what a model is, over what was said before; its weights stay."""
        self.claim()
        write_text(self.folder / "models" / name / CARD, card.to_json(), overwrite=True)

    def save_snapshot(self, name: str, snapshot: Snapshot) -> None:
        """Write what a training needs to go on, over an earlier state of the same training."""
        save_snapshot(snapshot, self._made(self.folder / "models") / name)

    def load_snapshot(self, name: str) -> Snapshot:
        """Read where a training was interrupted.

        Raises
        ------
        NucleateError
            If it wasn't, or what was kept is damaged.
        """
        return load_snapshot(self.folder / "models" / name)

    def drop_snapshot(self, name: str) -> None:
        """Forget where a training was interrupted: it came to its end."""
        self.claim()
        drop_snapshot(self.folder / "models" / name)

    def interrupted(self) -> str:
        """Name of the training begun last, if it was interrupted; empty if it came to its end."""
        newest, found = ("", 0.0), ""
        for folder in (self.folder / "models").glob("*"):
            interrupted = snapshot_card(folder)
            try:
                card = interrupted or load_card(folder)
            except NucleateError:
                continue
            begun = card.record.started, folder.stat().st_mtime
            if begun > newest:
                newest, found = begun, folder.name if interrupted else ""
        return found

    def cards(self) -> list[Card]:
        """What the models are that are whole, the oldest first; none that can be gone on with."""
        found = []
        for folder in (self.folder / "models").glob("*"):
            with suppress(NucleateError):
                card = load_card(folder)
                if card.record.name == folder.name and not has_snapshot(folder):
                    found.append(card)
        return sorted(found, key=lambda card: (card.record.started, card.record.name))

    def save_round(self, round_: Round) -> None:
        """Write what a model learned from, over an earlier state of the same training."""
        path = self._made(self.folder / "rounds") / f"{round_.model}.json"
        write_text(path, round_.to_json(), overwrite=True)

    def new_model_name(self, number: int) -> str:
        """A name that no model of the project has: round-0, round-0-2, round-0-3 and so on."""
        taken = {p.name for p in (self.folder / "models").glob(f"round-{number}*")}
        name, count = f"round-{number}", 1
        while name in taken:
            count += 1
            name = f"round-{number}-{count}"
        return name

    def _made(self, folder: Path) -> Path:
        """A folder of the project, to write in."""
        self.claim()
        return made(folder)


def _labels(path: Path) -> NDArray[np.int32]:
    """Read what was painted on an image."""
    with advised(PAINT_AGAIN):
        pixels = np.asarray(read_stack(path).data[...])
    try:
        return as_labels(pixels)
    except NucleateError as error:
        raise NucleateError(f"{path} holds no labels that were painted; {PAINT_AGAIN}.") from error


def home_folder() -> Path:
    """Where new projects go: Documents/Nucleate, or the folder that NUCLEATE_HOME names."""
    from platformdirs import user_documents_path

    home = os.environ.get("NUCLEATE_HOME")
    return Path(home) if home else user_documents_path() / "Nucleate"


def new_folder_for(name: str) -> Path:
    """A folder for a new project, by its name and the time."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    return home_folder() / f"{as_file_name(name, 'project')} {stamp}"
